"""What evidence reads of the state: what lives on both sides, in one moment, without holding it all."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from bridge.core.kinds import KINDS
from bridge.core.model import Digest
from bridge.daemon import manifest
from bridge.state import Database, SchoolStore, mirrored, proof
from bridge.state.canonical import encode
from bridge.state.journal import Checkpoint
from bridge.state.tables import agreed_reference, agreement, link, observation, release, trouble
from tests.state.words import NOW, both, user

ROOT = "west/homes/owner"
SALT = "0123456789abcdef"


def fill(database: Database, files: int, *, code: str = ROOT) -> None:
    """A root of so many files, ten in each folder, folders inside folders."""
    database.school(code, {name: KINDS[name] for name in ("folder", "file")})
    tables: dict[Any, list[dict[str, Any]]] = {table: [] for table in (link, agreement, agreed_reference, observation)}
    for number in range(files + files // 10):
        folder = number < files // 10
        of, above = f"{number:032x}", number // 8 if folder else (number * 7) % max(files // 10, 1)
        name, kind = (f"Ordner {number}", "folder") if folder else (f"Datei {number}", "file")
        fields = {"name": name} if folder else {"name": name, "content": Digest("quickxor", f"{number:040x}", number)}
        row = {"school": code, "fields": encode(fields), "refs": "0" * 32}
        ends = {"school_anchor": f"s{number}", "cloud_anchor": f"c{number}"}
        tables[link].append({"school": code, "id": of, "kind": kind, "rank": 30, **ends})
        tables[agreement].append({**row, "link": of})
        if not folder or number >= 8:
            tables[agreed_reference].append({"school": code, "link": of, "field": "parent", "target": f"{above:032x}"})
        for side, anchor in (("school", ends["school_anchor"]), ("cloud", ends["cloud_anchor"])):
            tables[observation].append(
                {**row, "side": side, "anchor": anchor, "kind": kind, "role": "", "version": "1"}
            )
    with database.write() as connection:
        for table, rows in tables.items():
            connection.execute(insert(table), rows)


def lines(database: Database) -> list[dict[str, Any]]:
    found: list[bytes] = []

    class Out:
        def write(self, line: bytes) -> None:
            found.append(line)

    with mirrored.one_moment(database) as connection:
        summary = manifest.write(connection, "west", salt=SALT, out=Out())
    assert summary.tree.size == len(found)
    return [json.loads(line) for line in found]


def test_each_object_on_both_sides_has_one_line_in_the_order_of_its_link(store: SchoolStore) -> None:
    fill(store.database, 40)
    found = lines(store.database)
    assert found[0] == {"format": manifest.FORMAT, "school": "west", "salt": SALT}
    files = [one for one in found if one.get("root") == ROOT]
    assert [one["link"] for one in files] == [f"{number:032x}" for number in range(44)]
    assert files[-1] == {
        "kind": "file", "link": f"{43:032x}", "school": "s43", "cloud": "c43", "root": ROOT, "size": 43,
        "content": f"quickxor:{43:040x}", "path": manifest.keyed(SALT, "Ordner 1/Datei 43"),
    }  # fmt: skip


def test_people_and_memberships_have_lines_too(store: SchoolStore) -> None:
    both(store, user("a"))
    with store.database.write() as connection:
        connection.execute(insert(agreement).values(school="west", link="La", fields="{}", refs="0" * 32))
        connection.execute(insert(agreed_reference).values(school="west", link="La", field="members", target="Lb"))
    found = lines(store.database)
    assert [one["kind"] for one in found[1:]] == ["user", "members"]
    assert found[2] == {"kind": "members", "link": "La", "to": "Lb"}


@pytest.mark.parametrize("missing", ["school", "cloud", "agreement"])
def test_what_is_on_one_side_only_or_was_never_agreed_has_none(store: SchoolStore, missing: str) -> None:
    fill(store.database, 10)
    with store.database.write() as connection:
        if missing == "agreement":
            connection.execute(delete(agreement).where(agreement.c.link == f"{5:032x}"))
        else:
            gone = (observation.c.side == missing) & (observation.c.anchor == f"{missing[0]}5")
            connection.execute(update(observation).where(gone).values(gone="deleted"))
    assert [one["link"] for one in lines(store.database) if one.get("link") == f"{5:032x}"] == []


def test_what_lives_on_one_side_only_is_counted_in_the_shares_too(store: SchoolStore) -> None:
    both(store, user("a"))
    fill(store.database, 10)
    with store.database.write() as connection:
        row = {"school": "west", "fields": "{}", "refs": "0" * 32, "role": "", "version": "1", "kind": "user"}
        connection.execute(insert(observation), [{**row, "side": "cloud", "anchor": f"guest{n}"} for n in range(3)])
        connection.execute(insert(observation), [{**row, "side": "school", "anchor": "gone", "gone": "deleted"}])
        lost = {**row, "school": ROOT, "kind": "file"}
        connection.execute(insert(observation), [{**lost, "side": "school", "anchor": f"new{n}"} for n in range(2)])
        away = (observation.c.school == ROOT) & (observation.c.side == "cloud") & (observation.c.anchor == "c5")
        connection.execute(update(observation).where(away).values(gone="deleted"))
    with mirrored.one_moment(store.database) as connection:
        found = mirrored.one_sided(connection, ["west", ROOT])
        assert found == {"cloud": {"user": 3}, "school": {"file": 3}}, "of a pair, too, whose other end is gone"
        assert mirrored.one_sided(connection, ["west"]) == {"cloud": {"user": 3}}


def test_nothing_that_is_written_meanwhile_is_seen(store: SchoolStore) -> None:
    fill(store.database, 20)
    with mirrored.one_moment(store.database) as connection:
        before = proof.heads(connection, "west")
        store.move_stage("hybrid", event="start", actor="admin", reason="meanwhile")
        with store.database.write() as other:
            other.execute(delete(agreement))
        assert len(list(mirrored.objects(connection, ROOT))) == 22
        assert proof.heads(connection, "west") == before
    with mirrored.one_moment(store.database) as connection:
        assert list(mirrored.objects(connection, ROOT)) == []


def test_memory_does_not_grow_with_the_files(sqlite_store: SchoolStore) -> None:
    def peak() -> int:
        tracemalloc.start()
        try:
            with mirrored.one_moment(sqlite_store.database) as connection:
                manifest.write(connection, "west", salt=SALT)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    fill(sqlite_store.database, 6_000)
    peak()  # what is loaded once
    small = peak()
    for number in range(2, 5):
        fill(sqlite_store.database, 6_000, code=f"west/homes/{number}")
    assert peak() < 1.3 * small


def test_what_is_held_is_told_by_ids_with_who_released_it(store: SchoolStore) -> None:
    with store.database.write() as connection:
        held = {"kind": "user", "side": "cloud", "action": "delete", "rule": "guard:delete", "message": "Anna Lang"}
        for code, of in (("west", "L1"), (ROOT, "L2"), ("west2", "L3")):
            connection.execute(insert(trouble).values(school=code, link=of, since=NOW, **held))
        connection.execute(insert(release).values(school=ROOT, link="L2", actor="root", reason="old", at=NOW))
    with mirrored.one_moment(store.database) as connection:
        found = list(proof.left(connection, "west"))
    assert [(one.code, one.link, one.released_by) for one in found] == [("west", "L1", ""), (ROOT, "L2", "root")]
    assert "Anna" not in repr(found)


def test_moves_of_the_stage_name_their_row_of_the_journal(store: SchoolStore) -> None:
    store.move_stage("observing", event="observe", actor="admin", reason="start")
    store.move_stage("hybrid", event="mirror", actor="admin", reason="go on")
    with mirrored.one_moment(store.database) as connection:
        first, second = proof.moves(connection, "west")
        head = Checkpoint("west", second["journal"]["row"], second["journal"]["hash"])
        assert proof.still_holds(connection, head) == ""
        assert "written anew" in proof.still_holds(connection, Checkpoint("west", 2, "0" * 64))
        assert "east: its journal is gone" in proof.still_holds(connection, Checkpoint("east", 2, "0" * 64))
    assert (first["from"], first["to"], second["to"]) == ("classic", "observing", "hybrid")
