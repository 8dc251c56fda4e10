"""What a school's YAML may say of a directory that is mirrored. Drawn into the configuration reference and schema."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from connectors.tree.options import LEFTOVERS, Pattern, TreeOptions, beneath


class Options(TreeOptions):
    """Options of the folder connector: one directory of this machine, the *root*, with everything below it."""

    base: Path = Field(description="An absolute path. All roots below one base share one watch of the file system.")
    root: str = Field(
        "", description="The root's path below `base`, empty for `base` itself; no link is followed on it."
    )
    domain: str = Field(
        "",
        max_length=255,
        description="For homes that are made: what stands before the names of accounts on this machine, such as "
        "`SCHULE` for `SCHULE\\anna`; empty where winbind or sssd leave it out.",
    )
    exclude: tuple[Pattern, ...] = Field(
        (*LEFTOVERS, "lost+found", ".snapshot", ".zfs"),
        description="Files and folders to leave alone, patterns like those of `include`. Replaces the default.",
    )

    @field_validator("base")
    @classmethod
    def _absolute(cls, base: Path) -> Path:
        if not base.is_absolute():
            raise ValueError(f"must be an absolute path, not {base}")
        return base

    @field_validator("root")
    @classmethod
    def _beneath(cls, root: str) -> str:
        return beneath(root, "base")

    @property
    def path(self) -> Path:
        """The root."""
        return self.base / self.root if self.root else self.base
