"""The demo's part about the day itself: gates, rehearsal, freezing, switching, rolling back, and the end of the way.

Whether people at the school can still save is tried as an ordinary account of this machine, in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bridge.lab.stage import Stage
from bridge.lab.steps import TakeStep
from bridge.ports import NOTICE

_NOBODY = 65534
_PATIENCE = 180.0
_WRITE = f"import os, sys\nos.setgroups([])\nos.setgid({_NOBODY})\nos.setuid({_NOBODY})\nopen(sys.argv[1], 'a').close()"
#: What no machine knows, and what stands open on purpose after the steps before.
_ATTESTED = ("devices", "informed")
_WAIVED = ("decided", "permissions", "open-files", "capacity", "counts")


class Cutover:
    """The school is cut over, twice, with a roll back between; then it is final."""

    def __init__(self, stage: Stage, step: TakeStep, *, login: str) -> None:
        self.stage, self.step = stage, step
        self.home = stage.homes / login

    # --- parts of the story -----------------------------------------------------------------------------------------

    def rehearse(self) -> None:
        """Gates, then the dress rehearsal."""
        self._lend_the_home()
        self.step("readiness: not yet, and why", 2, lambda: self._run("readiness", "demo", "--event", "freeze").code)
        self._vouch("attest", "configuration")
        for gate in _WAIVED:
            self._vouch("waive", gate)
        self._measure("freeze")
        self._ask("rehearse", "demo")
        self.step("rehearsal: frozen, verified, back by itself", "rehearsed", self._outcome, timeout=_PATIENCE)

    def switch(self) -> None:
        """Frozen until all is equal, then the cloud owns people, groups and shares."""
        for gate in _ATTESTED:
            self._vouch("attest", gate)
        self._measure("freeze")
        self.step("the school is frozen", "freezing", lambda: self._ask("freeze", "demo").get("stage"))
        self.step("nobody at the school can save any more", False, self._saves)
        self.step("verified, and switched as one unit", "soaking", self._stage, timeout=_PATIENCE)
        self.step("the school can save again, and is told where its files are", (True, True), self._told, timeout=60)

    def roll_back(self) -> None:
        """What was changed in the cloud comes home first."""
        self._ask("roll-back", "demo")
        self.step("rolled back: the school owns people again", "hybrid", self._stage, timeout=_PATIENCE)
        self.step("the notice is gone", False, lambda: (self.home / NOTICE).exists(), timeout=60)

    def finalise(self) -> None:
        """The point of no return: two people, the school's code, fresh gates."""
        for gate in _WAIVED:
            self._vouch("waive", gate)
        self._measure("freeze")
        self._ask("freeze", "demo")
        self.step("cut over again", "soaking", self._stage, timeout=_PATIENCE)
        self.step("over", "switched", self._outcome, timeout=60)
        alone = self._approve("meyer")
        self._measure("finalise", "--verify")
        refused = self._run("cutover", "finalise", "demo", "--reason", "demo")
        found = {"approved by": alone, "refused": "two approvers" in refused.errors}
        self.step("one alone can't make it final", {"approved by": 1, "refused": True}, lambda: found)
        self._approve("schulz")
        self.step("two can", "cloud", self._finalised, timeout=60)
        expected = {"signed and unchanged": True, "one bit changed": False}
        self.step("the daemon's signed report of it can be checked by anybody", expected, self._proved, timeout=60)

    def _finalised(self) -> Any:
        """Where it is refused, the gates are measured again: a folder whose turn had not come then is read by now."""
        stage = self._ask("finalise", "demo").get("stage")
        if stage is None:
            self._measure("finalise", "--verify")
        return stage

    def _proved(self) -> Any:
        """The newest report, checked as a third party would, and once more with one bit of it changed."""
        told = json.loads(self._run("report", "list", "demo").output)["reports"]
        report = next(Path(name) for name in told[0]["files"] if name.endswith(".json"))
        said = json.loads(report.read_text())["report"]["stage"]["now"]
        if said != "cloud":
            return f"the newest is of the stage {said}"
        other = self.stage.root / "changed.json"
        other.write_bytes(report.read_bytes().replace(b'"cloud"', b'"clout"', 1))
        checks = {"signed and unchanged": report, "one bit changed": other}
        return {name: self._run("report", "verify", str(path)).code == 0 for name, path in checks.items()}

    # --- how ----------------------------------------------------------------------------------------------------------

    def _lend_the_home(self) -> None:
        """It belongs to an ordinary account, as on a real server."""
        if os.geteuid() == 0:
            for path in (self.home, *self.home.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)

    def _saves(self) -> bool:
        """Whether an ordinary account can save a file that is there."""
        path = next(one for one in sorted(self.home.rglob("*")) if one.is_file() and self._theirs(one))
        if os.geteuid() != 0:
            return os.access(path, os.W_OK)
        done = subprocess.run(
            [sys.executable, "-c", _WRITE, path.name], cwd=path.parent, stderr=subprocess.DEVNULL, check=False
        )
        return done.returncode == 0

    def _theirs(self, path: Path) -> bool:
        return path.name != NOTICE and not any(part.startswith(".schoolbridge") for part in path.parts)

    def _told(self) -> tuple[bool, bool]:
        return self._saves(), (self.home / NOTICE).exists()

    def _run(self, *words: str) -> Any:
        return self.stage.bridge(*words, "--json")

    def _ask(self, *words: str) -> dict[str, Any]:
        answer = self._run("cutover", *words, "--reason", "demo")
        return dict(json.loads(answer.output)) if answer.output.strip() else {"error": answer.errors}

    def _vouch(self, how: str, gate: str) -> None:
        self._run("gate", "demo", how, gate, "--reason", "demo")

    def _measure(self, event: str, *more: str) -> None:
        self._run("readiness", "demo", "--event", event, *more)

    def _approve(self, who: str) -> int:
        """As somebody who uses sudo; how many approved so far."""
        answer = self.stage.bridge(
            "cutover", "approve", "demo", "finalise", "--code", "demo", "--reason", "demo", "--json", account=who
        )
        return len(json.loads(answer.output)["approved_by"])

    def _stage(self) -> Any:
        return self._shown()["stage"]

    def _outcome(self) -> Any:
        shown = self._shown()
        return "under way" if shown["run"] else shown["past"][0]["outcome"]

    def _shown(self) -> dict[str, Any]:
        return dict(json.loads(self._run("cutover", "show", "demo").output))
