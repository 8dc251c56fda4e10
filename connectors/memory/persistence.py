"""A memory side in a JSON file: seeded by one process, changed by another, reloaded when the file changes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge.core.model import Digest, Value
from bridge.ports import ConfigurationError
from connectors.memory.side import Change, Entry, MemorySide, State


class Shelf:
    """Keeps ``side`` and the file at ``path`` the same. A missing file is an empty side.

    Changes are made inside ``with shelf.changing():``, which holds a lock that other processes respect.
    """

    def __init__(self, path: Path, side: MemorySide) -> None:
        self.path = path
        self.side = side
        self._seen: tuple[int, int, int] | None = None

    @contextmanager
    def changing(self) -> Iterator[MemorySide]:
        """Lock the file, read it, let the caller change the side, write it back."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(self.path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refresh()
            before = (self.side.number, self.side.epoch)
            yield self.side
            if before != (self.side.number, self.side.epoch):
                self._save()

    def refresh(self) -> bool:
        """Read the file again if it changed; returns whether it did. ConfigurationError when it is broken."""
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return False
        try:
            restore(self.side, json.loads(self.path.read_text("utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{self.path}: this is no side as the memory connector writes it: {error}"
            ) from None
        self._seen = stamp
        self.side.changed()
        return True

    def _save(self) -> None:
        draft = self.path.with_name(self.path.name + ".new")
        draft.write_text(json.dumps(dump(self.side), ensure_ascii=False, indent=1, sort_keys=True), "utf-8")
        draft.replace(self.path)
        self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - one call for three values
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def dump(side: MemorySide) -> dict[str, Any]:
    """A side as JSON values."""
    return {
        "epoch": side.epoch,
        "number": side.number,
        "objects": [
            {
                "anchor": entry.anchor,
                "kind": entry.kind,
                "version": entry.version,
                "state": entry.state.value,
                "fields": {name: _plain(value) for name, value in entry.fields.items()},
            }
            for entry in side.entries.values()
        ],
    }


def restore(side: MemorySide, dumped: Mapping[str, Any]) -> None:
    """Make ``side`` what ``dump`` wrote."""
    entries = {
        row["anchor"]: Entry(
            row["kind"],
            row["anchor"],
            int(row["version"]),
            {name: _value(value) for name, value in row["fields"].items()},
            State(row["state"]),
        )
        for row in dumped["objects"]
    }
    side.entries = entries
    side.number, side.epoch = int(dumped["number"]), int(dumped["epoch"])
    # The file keeps the last state of each object only: that is what a delta over it can tell.
    side.log = []
    for entry in sorted(entries.values(), key=lambda one: one.version):
        sight = side.sight(entry.anchor)
        side.log.append(Change(entry.version, entry.anchor, sight, sight))


def _plain(value: Value) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Digest):
        return {"algorithm": value.algorithm, "value": value.value, "size": value.size}
    return value


def _value(plain: Any) -> Value:
    if isinstance(plain, list):
        return frozenset(str(one) for one in plain)
    if isinstance(plain, dict):
        return Digest(plain["algorithm"], plain["value"], int(plain["size"]))
    if plain is None or isinstance(plain, str | int | bool):
        return plain
    raise ValueError(f"no field holds {plain!r}")
