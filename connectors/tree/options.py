"""What a school's YAML may say of every tree that is mirrored."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: What programs leave behind and nobody wants to have elsewhere.
LEFTOVERS = (
    "~$*", "*.tmp", "~*.tmp", "Thumbs.db", "ehthumbs.db", "desktop.ini", ".DS_Store", "._*", ".AppleDouble",
    ".~lock.*#", "*.swp", "*.swx", ".*.swo", "*.part", "*.crdownload", ".nfs*", ".fuse_hidden*", ".Trash-*",
    "$RECYCLE.BIN", "System Volume Information",
)  # fmt: skip

Pattern = Annotated[str, Field(min_length=1, max_length=500)]


class TreeOptions(BaseModel):
    """What is mirrored of a tree, how it is looked at, and how long its trash is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    include: tuple[Pattern, ...] = Field(
        ("*",), description="Files to mirror: patterns for the name, or with a slash for the path below the root."
    )
    exclude: tuple[Pattern, ...] = Field(
        LEFTOVERS,
        description="Files and folders to leave alone, patterns like those of `include`. Replaces the default.",
    )
    read_only: bool = Field(False, description="Never write into the root, whatever the stage allows.")
    watch: bool = Field(
        True, description="Let the file system or server tell of changes. Without it everything is listed each time."
    )
    scan_hours: float = Field(6, gt=0, le=168, description="How often everything is listed although the watch lives.")
    quiet_seconds: float = Field(
        2, ge=0, le=3600, description="A file that was changed less than this ago counts as still being written."
    )
    trash_days: int = Field(30, ge=1, le=3650, description="How long overwritten and deleted files are kept.")


def beneath(root: str, above: str) -> str:
    """A path below ``above`` (a word for a person), normalised; empty for itself. Raises ValueError."""
    path = PurePosixPath(root)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"must be a path below {above}, without a leading slash and without .., not {root}")
    return "" if str(path) == "." else str(path)
