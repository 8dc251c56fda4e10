"""What a school's YAML may say of a directory that is mirrored. Drawn into the configuration reference and schema."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

#: What programs leave behind and nobody wants to have elsewhere.
EXCLUDE = (
    "~$*", "*.tmp", "~*.tmp", "Thumbs.db", "ehthumbs.db", "desktop.ini", ".DS_Store", "._*", ".AppleDouble",
    ".~lock.*#", "*.swp", "*.swx", ".*.swo", "*.part", "*.crdownload", ".nfs*", ".fuse_hidden*", ".Trash-*",
    "$RECYCLE.BIN", "System Volume Information", "lost+found", ".snapshot", ".zfs",
)  # fmt: skip

Pattern = Annotated[str, Field(min_length=1, max_length=500)]


class Options(BaseModel):
    """Options of the folder connector: one directory of this machine, the *root*, with everything below it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Path = Field(description="An absolute path. All roots below one base share one watch of the file system.")
    root: str = Field(
        "", description="The root's path below `base`, empty for `base` itself; no link is followed on it."
    )
    include: tuple[Pattern, ...] = Field(
        ("*",), description="Files to mirror: patterns for the name, or with a slash for the path below the root."
    )
    exclude: tuple[Pattern, ...] = Field(
        EXCLUDE, description="Files and folders to leave alone, patterns like those of `include`. Replaces the default."
    )
    read_only: bool = Field(False, description="Never write into the root, whatever the stage allows.")
    watch: bool = Field(True, description="Let the kernel tell of changes. Without it everything is scanned each time.")
    scan_hours: float = Field(6, gt=0, le=168, description="How often everything is scanned although the watch lives.")
    quiet_seconds: float = Field(
        2, ge=0, le=3600, description="A file that was changed less than this ago counts as still being written."
    )
    trash_days: int = Field(30, ge=1, le=3650, description="How long overwritten and deleted files are kept.")

    @field_validator("base")
    @classmethod
    def _absolute(cls, base: Path) -> Path:
        if not base.is_absolute():
            raise ValueError(f"must be an absolute path, not {base}")
        return base

    @field_validator("root")
    @classmethod
    def _beneath(cls, root: str) -> str:
        path = PurePosixPath(root)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"must be a path below base, without a leading slash and without .., not {root}")
        return "" if str(path) == "." else str(path)

    @property
    def path(self) -> Path:
        """The root."""
        return self.base / self.root if self.root else self.base
