"""The files that a hub gave, on the site's disk: of each school the one in force, the last versions, the last check.

Everything is written whole and reaches the disk before it has its name, mode 0600: a crash leaves the old or the new.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bridge.fleet.configure import Configure, digest_of
from bridge.state.private import save, sync

#: So many versions of a school's file are kept.
MOST = 20
#: Hidden, so that nobody takes them for files in force.
_KEPT = ".versions"


@dataclass(frozen=True, slots=True)
class Version:
    """A version as the hub numbered it."""

    number: int
    text: str


class Versions:
    """Of one school, below the directory of the hub's files. Raises OSError."""

    def __init__(self, place: Path, code: str) -> None:
        self.file = place / f"{code}.yaml"
        self._kept = place / _KEPT / code
        self._check = self._kept / "checked.json"

    def text(self) -> str:
        """What is in force; empty: nothing."""
        try:
            return self.file.read_text("utf-8")
        except FileNotFoundError:
            return ""

    def put(self, text: str) -> None:
        """Let a text be the file from now on; empty: no file."""
        if text:
            _write(self.file, text)
            return
        self.file.unlink(missing_ok=True)
        if self.file.parent.exists():
            sync(self.file.parent)

    def number(self) -> int:
        """The version that the file is; 0 where it is none of the hub's. Told by its content: no mark can lie."""
        text = self.text()
        return max((one.number for one in self.kept() if one.text == text), default=0) if text else 0

    def kept(self) -> list[Version]:
        """The versions that were applied here, the newest last; one that is removed at this moment is left out."""
        found = []
        for path in self._kept.glob("[0-9]*.yaml"):
            with suppress(OSError, ValueError):
                found.append(Version(int(path.stem), path.read_text("utf-8")))
        return sorted(found, key=lambda one: one.number)

    def keep(self, number: int, text: str) -> None:
        """Remember a version, and only the last ones of them."""
        _write(self._kept / f"{number}.yaml", text)
        for old in self.kept()[:-MOST]:
            self.forget(old.number)

    def forget(self, number: int) -> None:
        """Remember a version no more."""
        (self._kept / f"{number}.yaml").unlink(missing_ok=True)

    def check(self, asked: Configure, *, base: str) -> None:
        """Remember what was checked here, with the digest of what was in force."""
        kept = asked.model_copy(update={"digest": digest_of(asked.text), "base": base})
        _write(self._check, kept.model_dump_json())

    def checked(self) -> Configure | None:
        """What was checked last."""
        try:
            return Configure.model_validate_json(self._check.read_text("utf-8"))
        except (OSError, ValidationError):
            return None


def _write(path: Path, text: str) -> None:
    for directory in (*reversed(path.parent.parents), path.parent):
        directory.mkdir(mode=0o700, exist_ok=True)
    save(path, text.encode(), replace=True)
