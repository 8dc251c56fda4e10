"""The seven rows: does a link live or die, and on which side must something happen.

| agreed | school | cloud | decision |
|---|---|---|---|
| – | x | – | enrol: create in the cloud if in scope and allowed, else hold |
| – | – | x | enrol: create at the school (files; kinds with writeback), else hold |
| – | x | x | merge: linked for the first time |
| x | x | x | merge field by field under authority |
| x | x | – | owner or school changed it: restore; else retire at the school |
| x | – | x | the mirror of the row above |
| x | – | – | forget the agreement |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.core.kinds import Authority, Kind, Shape, equal
from bridge.core.merge import named_as_agreed, was_agreed
from bridge.core.model import GONE, Action, Evidence, Link, Side
from bridge.core.policy import Policy


class Row(StrEnum):
    """The rows of the table, in its order."""

    ENROL_CLOUD = "enrol in the cloud"
    ENROL_SCHOOL = "enrol at the school"
    FIRST_MERGE = "link"
    MERGE = "merge"
    CLOUD_GONE = "gone in the cloud"
    SCHOOL_GONE = "gone at the school"
    FORGET = "forget"


class Verdict(StrEnum):
    """What follows for the link."""

    LIVE = "live"  # both sides should have it
    RETIRE = "retire"  # the side that still has it should lose it
    FORGET = "forget"
    WAIT = "wait"  # nothing to do now, and nothing to show to a person
    HOLD = "hold"  # wanted but not allowed
    AGREE_GONE = "agree that it is gone"  # whoever brings it back then brings back something new


@dataclass(frozen=True, slots=True)
class Fate:
    """The row that applied and what follows; ``rule`` and ``reason`` explain a hold or a wait."""

    row: Row
    verdict: Verdict
    rule: str = ""
    reason: str = ""


_NO_CONSENT = "no consent, no account. Record the consent at the school; the account follows by itself"


def row_of(link: Link) -> Row | None:
    """The row a link is in; None when neither side nor an agreement is left."""
    return {
        (False, True, False): Row.ENROL_CLOUD,
        (False, False, True): Row.ENROL_SCHOOL,
        (False, True, True): Row.FIRST_MERGE,
        (True, True, True): Row.MERGE,
        (True, True, False): Row.CLOUD_GONE,
        (True, False, True): Row.SCHOOL_GONE,
        (True, False, False): Row.FORGET,
    }.get((link.agreed is not None, link.school.record is not None, link.cloud.record is not None))


def fate(link: Link, kind: Kind, policy: Policy, *, released: bool = False) -> Fate:
    """Decide a link by the seven rows; ``released``: a person has seen what is missing and wants it made again."""
    row = row_of(link)
    if row is None:
        return Fate(Row.FORGET, Verdict.FORGET)
    if row in {Row.FIRST_MERGE, Row.MERGE}:
        return _together(link, kind, policy, row)
    if row is Row.ENROL_CLOUD:
        return _enrol(link, kind, policy, Side.SCHOOL)
    if row is Row.ENROL_SCHOOL:
        return _enrol(link, kind, policy, Side.CLOUD)
    if row is Row.CLOUD_GONE:
        return _gone(link, kind, policy, Side.CLOUD, released=released)
    if row is Row.SCHOOL_GONE:
        return _gone(link, kind, policy, Side.SCHOOL, released=released)
    if link.cloud.gone is Evidence.DELETED and policy.existence(kind) is Authority.BOTH and link.agreed != GONE:
        return Fate(row, Verdict.AGREE_GONE, reason="gone from both sides")
    if kept_for_purge(link, policy):
        return Fate(row, Verdict.RETIRE, reason="gone from both sides")
    if link.cloud.gone is Evidence.DELETED:
        # The school's tombstone says nothing more once the cloud's recycle bin is empty: there is nothing to restore.
        return Fate(
            row, Verdict.WAIT, "recycle-bin", "it can still be restored, so the link is kept until it is purged"
        )
    return Fate(row, Verdict.FORGET)


def kept_for_purge(link: Link, policy: Policy) -> bool:
    """Whether the bridge retired the last end, on a side that keeps what is deleted until the bridge purges it.

    Also where the answer to the soft deletion was lost: then the period begins with what was seen.
    """
    taken = link.taken
    if taken is None or taken.step is Action.PURGE or taken.side not in policy.purges:
        return False
    return link.end(taken.side).gone is Evidence.DELETED


def _together(link: Link, kind: Kind, policy: Policy, row: Row) -> Fate:
    """Both records are there; only a consent that is missing at the school stands against them."""
    if not _refused(link, kind) or policy.existence(kind) is Authority.CLOUD:
        return Fate(row, Verdict.LIVE)
    if row is Row.FIRST_MERGE:
        return Fate(
            row, Verdict.HOLD, "consent", "an account is there already, but the consent is missing at the school"
        )
    return Fate(row, Verdict.RETIRE, reason="the consent was withdrawn at the school")


def _refused(link: Link, kind: Kind) -> bool:
    record = link.school.record
    return record is not None and kind.consent is not None and record.fields.get(kind.consent) is False


def _enrol(link: Link, kind: Kind, policy: Policy, source: Side) -> Fate:
    row = Row.ENROL_CLOUD if source is Side.SCHOOL else Row.ENROL_SCHOOL
    record = link.end(source).record
    fields = record.fields if record else {}
    existence = policy.existence(kind)
    if existence is not Authority.BOTH and existence.value != source.value:
        return Fate(row, Verdict.WAIT, "unmatched", f"only the {existence.value} decides which {kind.name}s exist")
    if source is Side.SCHOOL and _refused(link, kind):
        return Fate(row, Verdict.HOLD, "consent", _NO_CONSENT)
    if source is Side.CLOUD and kind.claim and fields.get(kind.claim) is not True:
        return Fate(row, Verdict.WAIT, "unclaimed", "nothing in the cloud says that it belongs to this school")
    if kind.switch and fields.get(kind.switch) is False:
        return Fate(row, Verdict.WAIT, "disabled", f"disabled in the {source.value}: created once it is enabled")
    return Fate(row, Verdict.LIVE)


def _gone(link: Link, kind: Kind, policy: Policy, gone: Side, *, released: bool) -> Fate:
    row = Row.CLOUD_GONE if gone is Side.CLOUD else Row.SCHOOL_GONE
    evidence = link.end(gone).gone
    existence = policy.existence(kind)
    owner = existence.value == gone.other.value
    if existence is Authority.BOTH:
        owner = changed_since_agreed(link, kind, gone.other)
        if evidence is Evidence.LEFT:
            return Fate(
                row, Verdict.HOLD, f"left-{gone.value}", f"outside the scope in the {gone.value}: kept as it is"
            )
    if not owner:
        return Fate(row, Verdict.RETIRE, reason=f"{evidence or 'gone'} at the {gone.value}")
    if gone is Side.CLOUD and _refused(link, kind):
        return Fate(row, Verdict.HOLD, "consent", _NO_CONSENT)
    if evidence in (Evidence.LEFT, Evidence.MISSING) and not released:
        found = "it is outside the scope there" if evidence is Evidence.LEFT else "nothing says that it was deleted"
        remedy = f"Bring it back there, or release it to have it made again in the {gone.value}"
        return Fate(
            row, Verdict.HOLD, f"{evidence.value}-{gone.value}", f"not seen in the {gone.value}: {found}. {remedy}"
        )
    return Fate(row, Verdict.LIVE, reason=f"{evidence or 'gone'} in the {gone.value}, alive in the {gone.other.value}")


def changed_since_agreed(link: Link, kind: Kind, side: Side) -> bool:
    """Whether the record on ``side`` differs from what was agreed: an edit beats a delete. A touch is no edit."""
    record = link.end(side).record
    if record is None or link.agreed is None:
        return False
    if link.agreed == GONE:
        return True
    agreed, fields = link.agreed, named_as_agreed(link, kind, record.fields)
    return any(
        was_agreed(column, agreed) and not equal(column, fields.get(column.name), agreed.get(column.name))
        for column in kind.compared
        if not (kind.content and column.shape is Shape.TIME)
    )
