"""A school between two files: the memory connector on both sides, so that the real command can be run on it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.cli import main
from connectors.memory import MemorySide
from connectors.memory.persistence import Shelf


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it has to be."""
        return json.loads(self.out)


class Embedded:
    """Configuration, both sides and state below one directory."""

    def __init__(self, root: Path, *, stage: str = "hybrid", more: str = "") -> None:
        self.root = root
        (root / "schools").mkdir()
        self.config = root / "bridge.yaml"
        self.config.write_text("version: 1\nstate: {url: sqlite:///state.db}\nruntime: run\n")
        self.school_file = root / "schools" / "a.yaml"
        self.school_file.write_text(
            f"""\
version: 1
school: "0123"
name: Gymnasium am Ölberg
initial_stage: {stage}
school_side: {{connector: memory, name: school, path: {root}/school.json, kinds: [user, group]}}
cloud_side: {{connector: memory, name: cloud, path: {root}/cloud.json, kinds: [user, group]}}
naming: {{domain: school.example}}
{more}"""
        )
        self.school = Shelf(root / "school.json", MemorySide(name="school"))
        self.cloud = Shelf(root / "cloud.json", MemorySide(name="cloud"))
        self.people: list[str] = []
        self.extra: dict[str, str] = {}

    def fill(self, count: int = 5) -> None:
        """So many pupils called Anna Lang, all in class 5a."""
        with self.school.changing() as side:
            self.people = [side.create("user", person(number)) for number in range(count)]
            group = {"source_anchor": "G1", "display_name": "5a", "role": "class", "nickname_base": "5a"}
            side.create("group", {**group, "members": frozenset(self.people)})

    def accounts(self) -> dict[str, dict[str, Any]]:
        """The cloud's users by login."""
        self.cloud.refresh()
        return {str(one.fields["upn"]): dict(one.fields) for one in self.cloud.side.records() if one.kind == "user"}

    def environment(self) -> dict[str, str]:
        """That of a command: nothing of the tester's own."""
        return {**os.environ, "SCHOOLBRIDGE_CONFIG": str(self.config), "COLUMNS": "200", "NO_COLOR": "1", **self.extra}

    def run(self, *arguments: str) -> Answer:
        """Run the command inside this process: the same words, answers and exit codes, much faster."""
        out, err, root = io.StringIO(), io.StringIO(), logging.getLogger()
        handlers, before = root.handlers[:], dict(os.environ)
        os.environ.update(self.environment())
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main(arguments)
        except SystemExit as end:
            return Answer(int(end.code or 0), out.getvalue(), err.getvalue())
        finally:
            os.environ.clear()
            os.environ.update(before)
            root.handlers = handlers
        raise AssertionError("a command ends by SystemExit")

    def start(self, *arguments: str, timeout: float = 60) -> Answer:
        """Run the real command in a process of its own, as an admin would."""
        done = subprocess.run(
            [sys.executable, "-m", "bridge", *arguments],
            env=self.environment(), capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)


def person(number: int) -> dict[str, Any]:
    """A pupil; all have the same name."""
    return {
        "source_anchor": f"R{number}",
        "display_name": "Anna Lang",
        "given_name": "Anna",
        "surname": "Lang",
        "enabled": True,
        "role": "pupil",
        "consent": True,
        "login": f"anna{number}",
        "upn_base": "anna.lang",
    }
