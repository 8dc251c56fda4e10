"""The words of scenarios about files and folders, whatever stands at the two ends."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bridge.core.model import Side
from tests.machines.hands import Hands, Tree, split
from tests.machines.rig import Ends
from tests.scenarios.play import Player

_COPY = re.compile(r"(.*) \(conflict \w+ \d{4}-\d\d-\d\d \d\d-\d\d\)(\.\w+)?")


class Files(Player[Hands]):
    """``hands``: people at both ends. A name finds the only object that has it, wherever it is."""

    def __init__(self, ends: Ends, hands: Mapping[Side, Hands]) -> None:
        super().__init__(ends)
        self.hands = hands

    def at(self, side: Side) -> Hands:
        return self.hands[side]

    def writes(self) -> object:
        return [self.hands[side].changes() for side in Side]

    # --- people at work ---------------------------------------------------------------------------------------------

    def do_folder(self, at: Hands, name: str, value: None) -> None:
        at.folder(f"/{name}")

    def do_file(self, at: Hands, name: str, value: int) -> None:
        at.write(f"/{name}", body(value))

    def do_edit(self, at: Hands, name: str, value: int) -> None:
        at.write(self.path(at, name), body(value))

    def do_name(self, at: Hands, name: str, value: str) -> None:
        path = self.path(at, name)
        at.move(path, f"{split(path)[0]}/{value}")

    def do_move(self, at: Hands, name: str, value: str | None) -> None:
        path = self.path(at, name)
        at.move(path, (self.path(at, value) if value else "") + f"/{split(path)[1]}")

    def do_delete(self, at: Hands, name: str, value: None) -> None:
        at.delete(self.path(at, name))

    def do_restore(self, at: Hands, name: str, value: None) -> None:
        at.restore(name)

    def path(self, at: Hands, name: str) -> str:
        """Where the object of this name is."""
        found = [path for path in at.tree() if split(path)[1] == name]
        assert len(found) == 1, (name, found)
        return found[0]

    # --- what must be -----------------------------------------------------------------------------------------------

    def trees(self) -> Tree:
        """The tree, which has to be the same at both ends."""
        school, cloud = (self.hands[side].tree() for side in Side)
        assert school.keys() == cloud.keys(), self.ends.store.troubles()
        assert school == cloud
        return school

    def then_tree(self, word: str, expected: Mapping[str, int | None]) -> None:
        self.trees()
        for side in Side:
            shown = self.hands[side].shown
            wanted = {path: shown(body(value)) if value else None for path, value in expected.items()}
            assert self.hands[side].tree() == wanted, (side, self.ends.store.troubles())

    def then_contents(self, word: str, expected: Sequence[int]) -> None:
        there = self.trees().values()
        shown = self.hands[Side.SCHOOL].shown
        found = [number for number in range(10) for one in there if one == shown(body(number))]
        assert found == list(expected), there

    def then_folders(self, word: str, expected: Sequence[str]) -> None:
        assert sorted(split(path)[1] for path, content in self.trees().items() if content is None) == list(expected)

    def then_copies(self, word: str, expected: Sequence[str]) -> None:
        """The files of which there is a conflict copy, by the name that they had."""
        found = [match[1] + (match[2] or "") for path in self.trees() if (match := _COPY.fullmatch(split(path)[1]))]
        assert sorted(found) == list(expected), self.trees().keys()
        assert len(self.ends.store.conflicts()) == len(expected)

    def then_kept(self, word: str, expected: Sequence[int]) -> None:
        """Contents that are in the trash, or an older version, at either end; digests alone leave nothing to keep."""
        if not isinstance(self.hands[Side.SCHOOL].shown(b""), bytes):
            return
        for number in expected:
            kept = any(self.hands[side].shown(body(number)) in self.hands[side].trash() for side in Side)
            assert kept, f"{number} can't be brought back"


def body(value: int) -> bytes:
    """Bytes that are told apart by their number and not by their size."""
    return f"text {value:04}".encode()
