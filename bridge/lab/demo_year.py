"""The demo's part about the school year: classes are filled anew at the school and keep their groups in the cloud."""

from __future__ import annotations

import json
from typing import Any

from bridge.lab.directories import SambaDirectory
from bridge.lab.stage import Stage
from bridge.lab.steps import TakeStep

#: Last year's class -> this year's.
_PROMOTED = {f"{year}{letter}": f"{year + 1}{letter}" for year in (6, 7, 8, 9) for letter in "abcd"}


class SchoolYear:
    """Opened, rebuilt, previewed, applied, undone, applied again, closed."""

    def __init__(self, stage: Stage, directory: SambaDirectory, step: TakeStep) -> None:
        self.stage, self.directory, self.step = stage, directory, step

    def _year(self, *words: str) -> Any:
        said = [] if words[0] == "plan" else ["--reason", "demo"]
        answer = self.stage.bridge("year", *words, *said, "--json")
        return json.loads(answer.output) if answer.code in (0, 2) else answer.errors

    def run(self) -> None:
        """All steps."""
        groups = self.stage.cloud.groups()
        people = {name: self.stage.cloud.members(groups[f"Klasse {name}"]) for name in _PROMOTED}
        self._year("open", "demo")
        self.directory.refill(_PROMOTED)
        self._previewed()
        self._applied_and_undone(groups)
        self._applied(groups, people)
        self._year("close", "demo")

    def _previewed(self) -> None:
        def planned() -> Any:
            answer = self._year("plan", "demo")
            promoted = {f"Klasse {last}": f"Klasse {new}" for last, new in _PROMOTED.items()}
            turns = [
                one["turn"]
                for one in answer["groups"]
                if one["before"] and one["after"] and promoted.get(one["before"]["name"]) == one["after"]["name"]
            ]
            return {turn: turns.count(turn) for turn in sorted(set(turns))}

        self.step("the school year is previewed", {"same": len(_PROMOTED)}, planned)

    def _applied_and_undone(self, groups: dict[str, str]) -> None:
        # Without the daemon, which would be through with it before anybody could take it back.
        if self.stage.daemon is not None:
            self.stage.daemon.stop()
        applied, undone = self._year("apply", "demo"), self._year("undo", "demo")
        self.stage.start_daemon()

        def done() -> Any:
            now = self.stage.cloud.groups()
            changed = [name for name, group in groups.items() if now.get(name) != group]
            return {"applied": applied.get("ok"), "then": undone.get("phase"), "changed": changed}

        expected = {"applied": True, "then": "open", "changed": []}
        self.step("applied, and undone again: nothing is changed", expected, done)

    def _applied(self, groups: dict[str, str], people: dict[str, frozenset[str]]) -> None:
        self._year("apply", "demo")

        def promoted() -> Any:
            now = self.stage.cloud.groups()
            same = [new for last, new in _PROMOTED.items() if now.get(f"Klasse {new}") == groups[f"Klasse {last}"]]
            whole = [new for last, new in _PROMOTED.items() if self._has(now, new, people[last])]
            return {"classes in the same group": len(same), "with the same pupils": len(whole)}

        expected = {"classes in the same group": len(_PROMOTED), "with the same pupils": len(_PROMOTED)}
        self.step("applied: each class keeps its group and its files", expected, promoted, timeout=40)

    def _has(self, now: dict[str, str], name: str, pupils: frozenset[str]) -> bool:
        there = self.stage.cloud.members(now[f"Klasse {name}"]) if f"Klasse {name}" in now else frozenset()
        return pupils <= there
