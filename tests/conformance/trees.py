"""What the benches of trees have in common: names of samples, and that nothing has to settle."""

from __future__ import annotations

from bridge.core.model import Digest, Fields
from bridge.ports import QUICKXOR


class TreeBench:
    kinds = ("folder", "file")
    label = {"folder": "name", "file": "name"}  # noqa: RUF012
    lossless = True

    def sample(self, kind: str, number: int) -> Fields:
        name: Fields = {"name": f"{kind} {number}"}
        # Without a source a file is made empty.
        return {**name, "content": Digest(QUICKXOR, "0" * 40, 0)} if kind == "file" else name

    async def settle(self) -> None:
        return None
