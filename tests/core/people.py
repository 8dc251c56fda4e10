"""What people do to a side, as values that Hypothesis can draw and shrink: ``do`` plays one edit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from hypothesis import strategies as st

from bridge.core.model import Digest, Record, Side
from connectors.memory import MemorySide, Rejected

#: Few names, so that edits meet: they differ by case and Unicode form only, or not at all.
NAMES = ("a", "b", "A", "c.txt", "C.txt", "ü", "ü", "d (2)", "a (conflict b)")


@dataclass(frozen=True, slots=True)
class Edit:
    """``verb`` on the ``one``-th object, with the ``two``-th and ``name`` if it needs them; numbers wrap around."""

    side: Side
    verb: str
    one: int
    two: int
    name: str


def edits(verbs: tuple[str, ...], *, sides: tuple[Side, ...] = tuple(Side)) -> st.SearchStrategy[list[Edit]]:
    small = st.integers(0, 7)
    return st.lists(
        st.builds(Edit, st.sampled_from(sides), st.sampled_from(verbs), small, small, st.sampled_from(NAMES)),
        max_size=9,
    )


def do(side: MemorySide, edit: Edit, *, stamp: str, number: int) -> None:
    """Play an edit; what the side refuses does not happen. ``stamp`` and ``number`` make contents unique."""
    with suppress(Rejected):
        VERBS[edit.verb](side, edit, Digest(stamp, f"{edit.side.value}{number}", number))


def pick(side: MemorySide, number: int, *kinds: str) -> Record | None:
    """One of those that are there."""
    there = [record for record in side.records() if record.kind in kinds]
    return there[number % len(there)] if there else None


def folder(side: MemorySide, number: int) -> str | None:
    """One of the folders, or the root."""
    there = [None, *(record.anchor for record in side.records("folder"))]
    return there[number % len(there)]


# --- files and folders --------------------------------------------------------------------------------------------


def new_file(side: MemorySide, edit: Edit, content: Digest) -> None:
    side.create("file", {"parent": folder(side, edit.one), "name": edit.name, "content": content})


def new_folder(side: MemorySide, edit: Edit, content: Digest) -> None:
    side.create("folder", {"parent": folder(side, edit.one), "name": edit.name})


def edit_file(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "file"):
        side.change(record.anchor, {"content": content})


def rename(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "file", "folder"):
        side.change(record.anchor, {"name": edit.name})


def change_case(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "file", "folder"):
        side.change(record.anchor, {"name": str(record.fields["name"]).swapcase()})


def move(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "file", "folder"):
        side.change(record.anchor, {"parent": folder(side, edit.two)})


def delete(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "file", "folder"):
        _delete_all(side, record.anchor)


def _delete_all(side: MemorySide, anchor: str) -> None:
    for child in list(side.records()):
        if child.fields.get("parent") == anchor:
            _delete_all(side, child.anchor)
    side.delete(anchor)


def purge(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "file"):
        side.delete(record.anchor, purge=True)


def restore(side: MemorySide, edit: Edit, content: Digest) -> None:
    gone = [anchor for anchor in side.entries if side.record(anchor) is None]
    if gone:
        side.restore(gone[edit.one % len(gone)])


def swap(side: MemorySide, edit: Edit, content: Digest) -> None:
    one, two = pick(side, edit.one, "file", "folder"), pick(side, edit.two, "file", "folder")
    if one is None or two is None or one.anchor == two.anchor:
        return
    side.change(one.anchor, {"name": "~swap"})
    try:
        side.change(two.anchor, {"name": one.fields["name"]})
    except Rejected:
        side.change(one.anchor, {"name": one.fields["name"]})
        raise
    try:
        side.change(one.anchor, {"name": two.fields["name"]})
    except Rejected:
        side.change(two.anchor, {"name": two.fields["name"]})
        side.change(one.anchor, {"name": one.fields["name"]})


def save_by_rename(side: MemorySide, edit: Edit, content: Digest) -> None:
    """How office programs save: the new text under a new name, the old file away, the new one in its place."""
    if record := pick(side, edit.one, "file"):
        new = side.create("file", {**record.fields, "name": "~new", "content": content})
        side.delete(record.anchor)
        side.change(new, {"name": record.fields["name"]})


def keep_backup(side: MemorySide, edit: Edit, content: Digest) -> None:
    """The old file becomes a backup copy, a new one takes its name."""
    if record := pick(side, edit.one, "file"):
        side.change(record.anchor, {"name": f"{record.fields['name']}~"})
        side.create("file", {**record.fields, "content": content})


# --- people ---------------------------------------------------------------------------------------------------------


def new_user(side: MemorySide, edit: Edit, content: Digest) -> None:
    flags = {"enabled": edit.two % 4 != 0, "consent": edit.two % 5 != 0}
    side.create("user", {"source_anchor": f"u{content.value}", "display_name": edit.name, "role": "pupil", **flags})


def new_group(side: MemorySide, edit: Edit, content: Digest) -> None:
    members = frozenset(one.anchor for one in (pick(side, edit.one, "user"), pick(side, edit.two, "user")) if one)
    side.create("group", {"source_anchor": f"g{content.value}", "display_name": edit.name, "members": members})


def rename_person(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "user", "group"):
        side.change(record.anchor, {"display_name": f"{edit.name} {content.value}"})


def switch(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "user"):
        side.change(record.anchor, {"enabled": not record.fields.get("enabled")})


def consent(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "user"):
        side.change(record.anchor, {"consent": not record.fields.get("consent")})


def license_(side: MemorySide, edit: Edit, content: Digest) -> None:
    _toggle(side, pick(side, edit.one, "user"), "licenses", f"SKU{edit.two % 3}")


def member(side: MemorySide, edit: Edit, content: Digest) -> None:
    user = pick(side, edit.two, "user")
    if user:
        _toggle(side, pick(side, edit.one, "group"), "members", user.anchor)


def owner(side: MemorySide, edit: Edit, content: Digest) -> None:
    user = pick(side, edit.two, "user")
    if user:
        _toggle(side, pick(side, edit.one, "group"), "owners", user.anchor)


def _toggle(side: MemorySide, record: Record | None, name: str, element: str) -> None:
    if record:
        value = record.fields.get(name)
        before = value if isinstance(value, frozenset) else frozenset()
        side.change(record.anchor, {name: before ^ {element}})


def leave(side: MemorySide, edit: Edit, content: Digest) -> None:
    if record := pick(side, edit.one, "user", "group"):
        side.delete(record.anchor)


VERBS: dict[str, Callable[[MemorySide, Edit, Digest], None]] = {
    "new_file": new_file,
    "new_folder": new_folder,
    "edit_file": edit_file,
    "rename": rename,
    "change_case": change_case,
    "move": move,
    "delete": delete,
    "purge": purge,
    "restore": restore,
    "swap": swap,
    "save_by_rename": save_by_rename,
    "keep_backup": keep_backup,
    "new_user": new_user,
    "new_group": new_group,
    "rename_person": rename_person,
    "switch": switch,
    "consent": consent,
    "license": license_,
    "member": member,
    "owner": owner,
    "leave": leave,
}
_PEOPLE = (
    "new_user",
    "new_group",
    "rename_person",
    "switch",
    "consent",
    "license",
    "member",
    "owner",
    "leave",
    "restore",
)
FILES = tuple(verb for verb in VERBS if verb not in _PEOPLE or verb == "restore")
PEOPLE = _PEOPLE
