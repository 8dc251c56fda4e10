"""Draws what the docs repeat from the code: ``python -m tests.docs.draw`` writes it, a test compares.

A drawn part stands between ``<!-- drawn from the code: NAME -->`` and ``<!-- /drawn -->``; in a code block the marks
are ``%%`` comments, because HTML comments would be shown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge.core import fate
from bridge.core.cutover import STAGES, TRANSITIONS, Gate, Power, Stage, diagram
from bridge.core.gates import LAW, short
from bridge.core.kinds import KINDS, Where
from bridge.core.policy import DEFAULT_PERIODS, DEFAULT_THRESHOLDS, SCHOOL_THRESHOLDS, TREE_THRESHOLDS
from bridge.settings.words import in_words
from connectors.graph.permissions import BUNDLES

DOCS = Path(__file__).parents[2] / "docs"
_PART = re.compile(
    r"(?P<open>(?:<!--|%%) drawn from the code: (?P<name>[a-z-]+)(?: -->)?\n).*?(?P<close>(?:<!--|%%) /drawn)", re.S
)
_POWERS = {Power.NOBODY: "nobody", Power.BOTH: "both sides", Power.CLOUD: "the cloud"}


def rows() -> str:
    """The table of the seven rows, as it stands above the function that decides by it."""
    text = fate.__doc__ or ""
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


def stages() -> str:
    """The table of stages."""
    lines = ["| stage | who may be written | whose value counts | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{stage}` | {_POWERS[row.power]} | {row.authority} | {row.meaning} |" for stage, row in STAGES.items()
    ]
    return "\n".join(lines)


def transitions() -> str:
    """The table of transitions with their gates."""
    lines = ["| from | event | to | gates |", "|---|---|---|---|"]
    for (source, event), (target, gates) in TRANSITIONS.items():
        lines.append(f"| `{source}` | {event} | `{target}` | {'; '.join(gates) or '–'} |")
    return "\n".join(lines)


def kinds() -> str:
    """The kind table: fields and their default owners."""
    lines = ["| kind | field | owner until the cutover | on which side | written |", "|---|---|---|---|---|"]
    for kind in KINDS.values():
        for column in kind.fields:
            written = (
                "once"
                if column.once or column.assigned_from
                else "to the cloud"
                if column.derived
                else "always"
                if column.where is Where.BOTH
                else "never"
            )
            lines.append(f"| {kind.name} | `{column.name}` | {column.authority} | {column.where} | {written} |")
    return "\n".join(lines)


def thresholds() -> str:
    """The guard's defaults."""
    lines = ["| tally | of | always passes | beyond that, of the population |", "|---|---|---|---|"]
    for whose, rows in (
        ("people and groups", DEFAULT_THRESHOLDS),
        ("people and groups, at the school", SCHOOL_THRESHOLDS),
        ("files and folders of a root", TREE_THRESHOLDS),
    ):
        for tally, threshold in rows.items():
            free = "everything" if threshold.count is None else str(threshold.count)
            share = "–" if threshold.percent is None else f"{threshold.percent:g} %"
            lines.append(f"| {tally} | {whose} | {free} | {share} |")
    return "\n".join(lines)


def periods() -> str:
    """When the steps of a retirement are due."""
    lines = ["| kind | step | after |", "|---|---|---|"]
    for kind, due in DEFAULT_PERIODS.items():
        for step, period in zip(KINDS[kind].retire, due, strict=True):
            lines.append(f"| {kind} | {step} | {'at once' if not period else f'{period.days} days'} |")
    return "\n".join(lines)


def permissions() -> str:
    """The bundles of application permissions of the cloud's connector."""
    lines = ["| bundle | application permissions |", "|---|---|"]
    lines += [f"| `{name}` | {', '.join(f'`{one}`' for one in bundle)} |" for name, bundle in BUNDLES.items()]
    return "\n".join(lines)


def gates() -> str:
    """The law of the gates."""
    lines = [
        "| gate | what has to be so | who | a measurement counts for | a person may | at most for |",
        "|---|---|---|---|---|---|",
    ]
    for gate, row in LAW.items():
        may = [word for word, able in (("attest it", row.attest), ("waive it", row.waive)) if able]
        early = "name it with `--passed` before the freezing" if row.early else ""
        said = "accept what is configured" if gate is Gate.CONFIGURATION else ", ".join(may) or early or "–"
        longest = "– (a person says it)" if row.human and not row.waive else in_words(row.longest)
        vouch = in_words(row.vouch) if row.vouch else "–"
        lines.append(f"| `{short(gate)}` | {row.meaning[0]} | {row.person} | {longest} | {said} | {vouch} |")
    return "\n".join(lines)


PARTS: Mapping[str, Callable[[], str]] = {
    "rows": rows,
    "stages": stages,
    "transitions": transitions,
    "diagram": diagram,
    "kinds": kinds,
    "thresholds": thresholds,
    "periods": periods,
    "permissions": permissions,
    "gates": gates,
}
#: Every stage is shown somewhere: a new one without a row would not be noticed otherwise.
assert set(STAGES) == set(Stage)


def drawn(text: str) -> str:
    """A page with all its drawn parts made anew; KeyError when a part has no drawing."""
    return _PART.sub(lambda match: f"{match['open']}{PARTS[match['name']]()}\n{match['close']}", text)


def main() -> int:
    """Rewrite every page that has drawn parts."""
    for page in sorted(DOCS.rglob("*.md")):
        before = page.read_text("utf-8")
        after = drawn(before)
        if after != before:
            page.write_text(after, "utf-8")
            print(f"drawn: {page.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
