"""What a school's YAML may say of a side held in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bridge.core.kinds import KINDS


class Options(BaseModel):
    """Options of the memory connector.

    ``path``: a JSON file that holds the side, so that other processes can change it. ``identity``: what the side proves
    to be, ``name`` when empty. ``differences``: a delta tells what changed of an object instead of the whole.
    ``limbo``: the recycle bin does not empty itself; the bridge purges what lies in it. ``lists_deleted``: a full
    listing tells what is in the recycle bin. ``contents``: files have bytes, shown as their QuickXorHash (``digest``)
    or by when they were written (``unread``); with ``none`` a digest stands for them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("memory", min_length=1)
    identity: str = ""
    path: Path | None = None
    kinds: tuple[str, ...] = tuple(KINDS)
    page_size: int = Field(100, ge=1)
    chunk: int = Field(20, ge=1)
    recycle_bin: bool = True
    limbo: bool = False
    lists_deleted: bool = True
    differences: bool = False
    read_only: bool = False
    contents: Literal["none", "digest", "unread"] = "none"

    @model_validator(mode="after")
    def _fits(self) -> Options:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown:
            raise ValueError(f"unknown kinds {', '.join(unknown)}; there are {', '.join(KINDS)}")
        if self.path and self.differences:
            raise ValueError("a file keeps no log of changes: leave out either path or differences")
        if self.path and self.contents != "none":
            raise ValueError("a file keeps no bytes: leave out either path or contents")
        return self
