"""What the state knows of a school's gates: decisions, permissions, the configuration, soaking, the way back."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bridge.core.cutover import Gate, Stage
from bridge.core.gates import Measured
from bridge.core.model import Action
from bridge.daemon.measuring.verdicts import counted, listed, verdict
from bridge.daemon.roots import Roots
from bridge.daemon.shares import Ground
from bridge.settings import School, Settings, shown
from bridge.state import gates as memory
from bridge.state.access import recall_all
from bridge.state.canonical import dump
from bridge.state.drift import HELD
from bridge.state.root_counts import counted as counted_roots
from bridge.state.roots import WAITS

#: What of `bridge.yaml` has no say in what is mirrored.
_ASIDE = frozenset({"logging", "language", "bandwidth", "runtime", "api", "dashboard", "notify", "schools"})
_ASIDE |= {"waves", "blackouts"}  # they say when a school is cut over, not what is mirrored
#: What of a school's file is told otherwise, or counts only when the bridge first meets the school.
_ASIDE_OF_SCHOOL = frozenset({"file", "initial_stage", "language", "blackouts"})


def decided(ground: Ground, at: datetime) -> Measured:
    """What waits for a person, by rule: people and groups, and the folders of the shares."""
    store = ground.store(ground.school.code)
    # Nobody gets an account without consent: that is decided, not waiting.
    rules = Counter(
        one.rule for one in store.troubles() if not (one.rule == "consent" and one.action is Action.CREATE)
    )  # fmt: skip
    conflicts = 0
    for root in counted_roots(ground.database, ground.school.code).values():
        rules.update(root.rules)
        conflicts += root.conflicts
    held = {rule: number for rule, number in sorted(rules.items()) if not rule.startswith(WAITS)}
    drifts = sum(one.state == HELD for one in store.drifts())
    phase = store.year_phase().value
    found = [f"{number:,} held by {rule}" for rule, number in held.items()]
    found += [f"{counted(conflicts, 'conflict')} open"] * bool(conflicts)
    found += [f"{counted(drifts, 'drifted value')} undecided"] * bool(drifts)
    found += [f"the school year is {phase}"] * bool(phase)
    numbers: dict[str, float | int | str] = {
        "held": sum(held.values()), "conflicts": conflicts, "drifts": drifts, "year": phase,
        **{f"held:{rule}": number for rule, number in held.items()},
    }  # fmt: skip
    return verdict(
        Gate.DECIDED, at, ok=not found, expected="nothing waits for a person, and no school year is open",
        found=listed(found) or "nothing waits", numbers=numbers,
        fix="decide: schoolbridge quarantine, schoolbridge conflicts, schoolbridge drift, schoolbridge year",
    )  # fmt: skip


def permissions(ground: Ground, roots: Roots, at: datetime) -> Measured:
    """What of the school's rights is not carried over, by cause; folders whose rights were never read."""
    known = recall_all(ground.database, ground.school.code)
    how = {one.name: one.permissions for one in ground.school.shares}
    causes: Counter[str] = Counter()
    unread = due = 0
    mine = [root for root in roots.roots.values() if how[root.share] != "off"]
    off = sum(one == "off" for one in how.values())
    for root in mine:
        access = known.get(root.code)
        if access is None or access.read_at is None:
            unread += 1
            continue
        causes.update(one.cause.value for one in access.unsaid)
        given = {of: one.role for of, one in access.given.items() if one.id}
        due += how[root.share] == "mirror" and given != dict(access.wanted)
    found = [f"{number:,} × {cause}" for cause, number in sorted(causes.items())]
    found += [f"{counted(due, 'folder')} with people who are not let in yet"] * bool(due)
    blind = f"the rights of {counted(unread, 'folder')} were not read yet"
    return verdict(
        Gate.PERMISSIONS, at, ok=False if found else None if unread else True,
        expected="every right at the folders of the school carried over, or known to be left behind",
        found=listed([*found, *([blind] if unread else [])])
        or f"{counted(len(mine), 'folder')}: everything carried over" + (f"; {off} share(s) with `off`" if off else ""),
        fix="see: schoolbridge shares --rights. Put it right, or: schoolbridge gate SCHOOL waive permissions",
        numbers={"folders": len(mine), "unread": unread, "due": due, "unsaid": sum(causes.values()),
                 **{f"unsaid:{cause}": number for cause, number in causes.items()}},
    )  # fmt: skip


def keys_of(settings: Settings, school: School) -> dict[str, str]:
    """Key -> digest of its value, of everything that is configured of a school. Secrets by their references only."""
    tree = shown(settings)
    one = next(row for row in tree["schools"] if row["school"] == school.code)
    whole = {"bridge": {name: value for name, value in tree["bridge"].items() if name not in _ASIDE}}
    whole["school"] = {name: value for name, value in one.items() if name not in _ASIDE_OF_SCHOOL}
    return {key: hashlib.sha256(dump(value).encode()).hexdigest() for key, value in _flat(whole, "")}


def _flat(tree: Any, above: str) -> list[tuple[str, Any]]:
    if isinstance(tree, Mapping) and tree:
        return [pair for name, one in tree.items() for pair in _flat(one, f"{above}.{name}" if above else str(name))]
    if isinstance(tree, list) and any(isinstance(one, Mapping) for one in tree):
        return [pair for place, one in enumerate(tree) for pair in _flat(one, f"{above}[{place}]")]
    return [(above, tree)]


def digest_of(keys: Mapping[str, str]) -> str:
    """One digest of the whole configuration."""
    return hashlib.sha256(dump(dict(keys)).encode()).hexdigest()


def configuration(ground: Ground, at: datetime) -> Measured:
    """What is configured now against what was when the school rehearsed."""
    code = ground.school.code
    before, when = memory.rehearsed(ground.database, code)
    now = keys_of(ground.settings, ground.school)
    numbers: dict[str, float | int | str] = {"digest": digest_of(now)}
    accept = f"see schoolbridge plan, then: schoolbridge gate {code} attest configuration"
    expected = "the configuration that was rehearsed"
    if when is None:
        return verdict(
            Gate.CONFIGURATION, at, ok=None, expected=expected, numbers=numbers, fix=accept,
            found="it is not known with which configuration the school rehearsed",
        )  # fmt: skip
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    numbers |= {"rehearsed": digest_of(before), "changed": len(changed)}
    since = f"{when:%Y-%m-%d %H:%M} UTC"
    return verdict(
        Gate.CONFIGURATION, at, ok=not changed, expected=f"{expected} ({since})", numbers=numbers,
        found=f"changed since: {listed(changed)}" if changed else f"unchanged since {since}",
        fix=f"undo the change, or look what it does and accept it: {accept}",
    )  # fmt: skip


def limits(school: School) -> tuple[timedelta, timedelta]:
    """How long a freezing may take, and how long a school soaks."""
    return school.cutover.deadline, school.cutover.soak


def soaked(ground: Ground, at: datetime) -> Measured:
    """Since when the cloud is in charge. A pause begins the time anew."""
    store = ground.store(ground.school.code)
    stage, since = Stage(store.stage()), store.stage_since()
    _, soak = limits(ground.school)
    expected = f"{soak.total_seconds() / 86400:g} days in the stage {Stage.SOAKING}"
    if stage is not Stage.SOAKING:
        return verdict(
            Gate.SOAKED,
            at,
            ok=False,
            expected=expected,
            found=f"the school is {stage}",
            fix="cut the school over first",
        )
    gone = at - since
    return verdict(
        Gate.SOAKED, at, ok=gone >= soak, expected=expected,
        found=f"{gone.total_seconds() / 86400:.1f} days, since {since:%Y-%m-%d %H:%M} UTC",
        fix=f"wait until {since + soak:%Y-%m-%d %H:%M} UTC", numbers={"seconds": int(gone.total_seconds())},
    )  # fmt: skip


def way_back(ground: Ground, at: datetime) -> Measured:
    """When this school was rolled back last; a person may attest it of another one like it."""
    when = memory.way_back(ground.database, ground.school.code)
    return verdict(
        Gate.ROLLBACK_REHEARSED, when if when is not None and when <= at else at, ok=True if when else None,
        expected="a roll back of this school was tried, or of one like it",
        found=f"rolled back on {when:%Y-%m-%d %H:%M} UTC" if when else "this school was never rolled back",
        fix="rehearse the roll back, or: schoolbridge gate SCHOOL attest rollback-rehearsed",
    )  # fmt: skip


def informed(at: datetime) -> Measured:
    """No machine knows."""
    return verdict(
        Gate.INFORMED, at, ok=None, expected="teachers, pupils and parents know the day and what changes",
        found="no machine knows it", fix="tell them, then: schoolbridge gate SCHOOL attest informed",
    )  # fmt: skip
