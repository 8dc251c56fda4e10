"""The demo's part about files: teachers' homes at the school and their OneDrives, edited on both ends.

The school's end is looked at with the file system, the cloud's with a client of the demo's own.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge.lab.seed import Person
from bridge.lab.stage import Stage
from bridge.lab.steps import TakeStep

_HOMES = 5
_PHOTOS = 1000
_FILM = 12 * 1024 * 1024
_TRASH = ".schoolbridge-trash"
_DELETED_HERE, _DELETED_THERE = "Klassenfahrt Rügen/Bild 0007.jpg", "Klassenfahrt Rügen/Bild 0008.jpg"


class Homes:
    """Homes of a few teachers; all the others never logged in and have none yet."""

    def __init__(self, stage: Stage, step: TakeStep) -> None:
        self.stage, self.step = stage, step
        self.home = Path()
        self.user = ""
        self.login = ""

    def prepare(self, teachers: Sequence[Person]) -> None:
        """Make the homes, as a server does at the first login."""
        for teacher in teachers[:_HOMES]:
            (self.stage.homes / teacher.login).mkdir()

    def run(self, teachers: Sequence[Person]) -> None:
        """All steps, in the home of the first of them."""
        self.login = teachers[0].login
        self.home = self.stage.homes / self.login
        account = self.stage.cloud.account(teachers[0].reference)
        self.user = account.id if account else ""
        self._to_and_fro()
        self._both_edit()
        self._rename()
        self._delete()
        self._restore()
        self._cut()

    def _text(self, path: str) -> str:
        return self.stage.drives.content(self.user, path).decode()

    def _to_and_fro(self) -> None:
        (self.home / "Unterricht").mkdir()
        (self.home / "Unterricht" / "Arbeitsblatt 7b.txt").write_text("Bruchrechnen")
        path = "Unterricht/Arbeitsblatt 7b.txt"
        self.step("a file saved in a home is in its owner's OneDrive", "Bruchrechnen", lambda: self._text(path))
        self.stage.browser.put(self.user, path, b"Bruchrechnen, verbessert")
        self.step(
            "edited in OneDrive, it comes back", "Bruchrechnen, verbessert", lambda: (self.home / path).read_text()
        )

    def _both_edit(self) -> None:
        path = "Unterricht/Arbeitsblatt 7b.txt"
        self.stage.browser.put(self.user, path, "zu Hause geändert".encode())
        (self.home / path).write_text("in der Schule geändert")

        def texts() -> Any:
            folder = self.home / "Unterricht"
            here = sorted(found.read_text() for found in folder.iterdir())
            there = sorted(self._text(found) for found in self._files() if found.startswith("Unterricht/"))
            return {"at the school": here, "in OneDrive": there}

        both = ["in der Schule geändert", "zu Hause geändert"]
        self.step("edited on both ends at once: both are kept", {"at the school": both, "in OneDrive": both}, texts)

    def _files(self) -> list[str]:
        return [path for path, one in self.stage.drives.tree(self.user).items() if not one.folder]

    def _rename(self) -> None:
        folder = self.home / "Klassenfahrt"
        folder.mkdir()
        for number in range(_PHOTOS):
            (folder / f"Bild {number:04}.jpg").write_bytes(b"%d" % number)

        def photos(name: str) -> int:
            return sum(path.startswith(f"{name}/") for path in self._files())

        self.step(f"{_PHOTOS} photos are mirrored", _PHOTOS, lambda: photos("Klassenfahrt"), timeout=90)
        self._until_quiet()
        self.stage.forget()
        folder.rename(self.home / "Klassenfahrt Rügen")

        def renamed() -> Any:
            return {"photos": photos("Klassenfahrt Rügen"), "requests": self.stage.written()}

        self.step(
            "their folder is renamed: one request, no byte of content", {"photos": _PHOTOS, "requests": {"PATCH": 1}},
            renamed,
        )  # fmt: skip

    def _until_quiet(self) -> None:
        """Until nothing was written for three seconds; after a minute whatever is."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            self.stage.forget()
            time.sleep(3)
            if not self.stage.written():
                return

    def _delete(self) -> None:
        before = self._binned()
        (self.home / _DELETED_HERE).unlink()
        self.stage.browser.delete(self.user, _DELETED_THERE)

        def gone() -> Any:
            # What was deleted there lies in the recycle bin too: it holds one byte of each.
            return {"in OneDrive": _DELETED_HERE in self._files(), "bytes in the recycle bin": self._binned() - before}

        def trashed() -> Any:
            kept = [found.read_text() for found in (self.home / _TRASH).rglob("*Bild 0008*") if found.is_file()]
            return {"in the home": (self.home / _DELETED_THERE).exists(), "in its trash": kept}

        expected = {"in OneDrive": False, "bytes in the recycle bin": 2}
        self.step("a file deleted here is in the recycle bin there", expected, gone)
        self.step("a file deleted there is in the trash here", {"in the home": False, "in its trash": ["8"]}, trashed)

    def _restore(self) -> None:
        for name, side, path in (
            ("it is restored from the recycle bin there, and is on both ends again", "cloud", _DELETED_HERE),
            ("it is restored from the trash here, and is on both ends again", "school", _DELETED_THERE),
        ):
            command = ("restore", "demo", path, "--owner", self.login, "--side", side, "--reason", "wanted after all")
            code = self.stage.bridge(*command).code

            def back(path: str = path, code: int = code) -> Any:
                here = self.home / path
                return {
                    "exit code": code,
                    "in the home": here.read_text() if here.exists() else None,
                    "in OneDrive": self._text(path) if path in self._files() else None,
                }

            text = path.removesuffix(".jpg")[-1]
            self.step(name, {"exit code": 0, "in the home": text, "in OneDrive": text}, back)

    def _binned(self) -> int:
        drives = self.stage.cloud.admin("GET", "drives")["value"]
        return sum(int(drive["binned"]) for drive in drives if drive["owner"] == self.user)

    def _cut(self) -> None:
        content = random.Random(1).randbytes(_FILM)
        fault = {"kind": "cut-upload", "path": ".*_upload.*", "after": 500_000, "count": 3}
        self.stage.cloud.admin("POST", "faults", fault)
        self.stage.forget()
        try:
            (self.home / "Film.mp4").write_bytes(content)

            def arrived() -> Any:
                found = self.stage.drives.content(self.user, "Film.mp4")
                cuts = self.stage.cloud.counters().get("connections dropped", 0)
                return {"hash": hashlib.sha256(found).hexdigest()[:16], "connections cut": cuts}

            expected = {"hash": hashlib.sha256(content).hexdigest()[:16], "connections cut": 3}
            self.step("the line is cut while a film goes up: it arrives whole", expected, arrived, timeout=60)
        finally:
            self.stage.cloud.admin("DELETE", "faults")
