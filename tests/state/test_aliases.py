"""What digests mean, on both engines: seen again they are equal, and a record that was unread is so no more."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.model import Action, Digest, Side
from bridge.ports import QUICKXOR, UNREAD, Done, Meaning, Observation, Pair, Written
from bridge.state import SchoolStore
from tests.state.words import CLOUD, NOW, SCHOOL, due, folder, operation, page, quiet

SEEN, AGREED = Digest(UNREAD, "12:34", 5), Digest(QUICKXOR, "ab" * 20, 5)
REWRITTEN = Digest(QUICKXOR, "cd" * 20, 9)


def file(anchor: str, content: Digest, *, version: str = "1", parent: str | None = None) -> Observation:
    return Observation("file", anchor, version, {"name": f"{anchor}.txt", "content": content, "parent": parent})


def content(store: SchoolStore, side: Side, link: str = "L1") -> Any:
    record = store.links([link])[0].end(side).record
    assert record is not None
    return record.fields["content"]


def uploaded(store: SchoolStore, *, shown: Digest | None = None) -> None:
    """A new file of the school, sent to the cloud."""
    store.fold(SCHOOL, page(folder("f", "Kurse"), file("s", SEEN, parent="f")), now=NOW)
    store.pair([Pair("LF", "folder", "f", None), Pair("L1", "file", "s", None)])
    fields = {"name": "s.txt", "content": AGREED}
    created = operation("L1", Action.CREATE, kind="file", after=fields, agree=fields)
    store.record([Done(created, fields, Written("1", "c", "w1", content=AGREED, shown=shown))], cycle="c", now=NOW)
    quiet(store)


def test_what_was_read_while_it_was_sent_is_known_at_its_source(store: SchoolStore) -> None:
    uploaded(store)
    assert content(store, SCHOOL) == content(store, CLOUD) == AGREED
    assert store.fold(SCHOOL, page(file("s", SEEN, parent="f")), now=NOW) == 0
    assert store.fold(SCHOOL, page(file("s", Digest(UNREAD, "12:35", 5), parent="f")), now=NOW) == 1
    assert due(store) == ["L1"]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_the_cloud_rewrote_does_not_bounce(store: SchoolStore, restarted: bool) -> None:
    uploaded(store, shown=REWRITTEN)
    if restarted:
        store = store.database.school("west", store.kinds)
    assert (
        store.fold(CLOUD, page(Observation("file", "c", "w2", {"name": "s.txt", "content": REWRITTEN})), now=NOW) == 0
    )
    assert (content(store, CLOUD), due(store)) == (AGREED, [])


def test_what_was_read_to_compare_is_known_from_then_on(store: SchoolStore) -> None:
    uploaded(store)
    touched = Digest(UNREAD, "99:99", 5)
    store.fold(SCHOOL, page(file("s", touched, parent="f")), now=NOW)
    store.mean(SCHOOL, [Meaning("s", touched, AGREED)])
    assert content(store, SCHOOL) == AGREED
    assert store.originals(["L1", "LF", "unknown"], SCHOOL) == {"L1": ("s", "1"), "LF": ("f", "1")}


def test_both_versions_are_remembered_with_their_path(store: SchoolStore) -> None:
    uploaded(store)
    cut = operation(
        "L1", Action.DETACH, side=SCHOOL, kind="file", anchor="s", before={"name": "s.txt"}, after={"name": "copy.txt"}
    )
    store.record([Done(cut, {}, Written("1", "s", "w2"))], cycle="c", now=NOW)
    (kept,) = store.conflicts()
    assert (kept.path, kept.copy, kept.link, kept.version) == ("/Kurse/s.txt", "/Kurse/copy.txt", "L1", "w2")
    store.decide(kept.id, "keep-both", actor="test", reason="")
    assert store.conflicts()[0].how == "keep-both"
    store.resolve(kept.id)
    assert store.conflicts() == []
    assert len(store.conflicts(resolved=True)) == 1
    with pytest.raises(KeyError):
        store.decide(kept.id, "keep-this", actor="test", reason="")
    assert store.verify().ok
