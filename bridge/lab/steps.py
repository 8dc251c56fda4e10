"""How a demo takes its steps, and what it tells of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class TakeStep(Protocol):
    """``Told.step``: wait until the probe gives what is expected."""

    def __call__(self, name: str, expected: Any, probe: Callable[[], Any], *, timeout: float = 20.0) -> None: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the report."""

    name: str
    ok: bool
    expected: str
    found: str
    seconds: float


class Told:
    """Takes steps and remembers them; ``last_words`` is shown with one that failed."""

    def __init__(self, console: Console, last_words: Callable[[], str]) -> None:
        self.console = console
        self.steps: list[Step] = []
        self._last_words = last_words

    @property
    def ok(self) -> bool:
        """Whether all steps so far were found true."""
        return all(step.ok for step in self.steps)

    def step(self, name: str, expected: Any, probe: Callable[[], Any], *, timeout: float = 20.0) -> None:
        """Wait until ``probe()`` gives ``expected``; an error of the probe is what was found."""
        self.console.print(f"[bold]{name}[/bold]")
        begun = time.monotonic()
        found: Any = None
        while True:
            try:
                found = probe()
            except (OSError, LookupError) as error:
                found = f"{type(error).__name__}: {error}"
            if found == expected or time.monotonic() - begun > timeout:
                break
            time.sleep(0.2)
        done = Step(name, found == expected, _text(expected), _text(found), round(time.monotonic() - begun, 2))
        self.steps.append(done)
        mark = "[green]✓[/green]" if done.ok else "[red]✗[/red]"
        self.console.print(f"  {mark} expected {escape(done.expected)}")
        self.console.print(f"    found    {escape(done.found)}  [dim]({done.seconds} s)[/dim]")
        if not done.ok:
            self.console.print(f"[dim]{escape(self._last_words())}[/dim]")

    def table(self, title: str) -> None:
        """Print all steps."""
        table = Table(title=title)
        for heading in ("step", "found true", "seconds"):
            table.add_column(heading)
        for step in self.steps:
            table.add_row(step.name, "[green]yes[/green]" if step.ok else "[red]NO[/red]", f"{step.seconds:.2f}")
        self.console.print(table)

    def tree(self) -> list[dict[str, Any]]:
        """All steps, for the JSON report."""
        return [asdict(step) for step in self.steps]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write the JSON report that ``--report`` asks for."""
    path.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
