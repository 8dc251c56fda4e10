"""What the journal and the cycles hold, as people read it: changes as "before → after", counts in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.dashboard.speech import Speech

_NOTHING = {"", "None", "[]", "{}"}


def changes(names: Mapping[str, str]) -> Sequence[tuple[str, str, str]]:
    """Field, before and after, out of ``before.FIELD`` and ``after.FIELD``; what was and is nothing is left out."""
    fields: dict[str, dict[str, str]] = {}
    for name, value in names.items():
        sort, _, field = name.partition(".")
        if sort not in {"before", "after"}:
            sort, field = "after", name
        fields.setdefault(field, {})[sort] = "" if value in _NOTHING else value
    return [(field, one.get("before", ""), one.get("after", "")) for field, one in fields.items() if any(one.values())]


def done(counts: Mapping[str, int], speech: Speech) -> Sequence[str]:
    """The counts of a cycle that are not zero: what was carried out first, then what was seen and held."""
    told: list[tuple[int, str]] = []
    for name, number in counts.items():
        sort, _, what = name.partition(".")
        if not number or sort == "planned":
            continue
        if sort == "executed":
            kind, _, action = what.partition(":")
            text = f"{speech.of('kind', kind)}: {speech.of('journal', action)}"
            told.append((0, f"{speech.count(number)} {text}"))
        elif sort == "observed":
            told.append((1, speech.fill("seen", n=speech.count(number), side=speech.of("into", what))))
        else:
            told.append((2, f"{speech.count(number)} {speech.of('counted', name)}"))
    return [text for _, text in sorted(told, key=lambda one: one[0])]
