"""The seven rows as cases: what is there, and what core decides. The docs page is drawn from this table too."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.fate import Row, Verdict
from bridge.core.model import Action, Evidence, Fields, Side
from tests.core.words import file, user


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a row. ``operations`` are (side, action) in order; ``rule`` is that of the hold, if any."""

    name: str
    row: Row
    kind: str
    verdict: Verdict
    agreed: Fields | None = None
    school: Fields | None = None
    cloud: Fields | None = None
    gone: Evidence | None = Evidence.DELETED
    operations: tuple[tuple[Side, Action], ...] = ()
    rule: str = ""


_S, _C = Side.SCHOOL, Side.CLOUD
_U, _F = user(), file()

ROWS: tuple[Case, ...] = (
    Case("a newcomer", Row.ENROL_CLOUD, "user", Verdict.LIVE, school=_U, operations=((_C, Action.CREATE),)),
    Case(
        "no consent, but an account", Row.FIRST_MERGE, "user", Verdict.HOLD,
        school=user(consent=False), cloud=_U, rule="consent",
    ),
    Case("no consent", Row.ENROL_CLOUD, "user", Verdict.HOLD, school=user(consent=False), rule="consent"),
    Case("not enabled yet", Row.ENROL_CLOUD, "user", Verdict.WAIT, school=user(enabled=False)),
    Case("a new file", Row.ENROL_CLOUD, "file", Verdict.LIVE, school=_F, operations=((_C, Action.CREATE),)),
    Case("a guest in the cloud", Row.ENROL_SCHOOL, "user", Verdict.WAIT, cloud=_U),
    Case("made in the cloud", Row.ENROL_SCHOOL, "file", Verdict.LIVE, cloud=_F, operations=((_S, Action.CREATE),)),
    Case("found equal", Row.FIRST_MERGE, "user", Verdict.LIVE, school=_U, cloud=_U, operations=((_S, Action.AGREE),)),
    Case(
        "found with another name", Row.FIRST_MERGE, "user", Verdict.LIVE,
        school=_U, cloud=user(display_name="Änne"), operations=((_C, Action.UPDATE),),
    ),
    Case(
        "two files in one place", Row.FIRST_MERGE, "file", Verdict.LIVE,
        school=_F, cloud=file("two"), operations=((_C, Action.DETACH),),
    ),
    Case("nothing changed", Row.MERGE, "file", Verdict.LIVE, agreed=_F, school=_F, cloud=_F),
    Case(
        "edited at the school", Row.MERGE, "file", Verdict.LIVE,
        agreed=_F, school=file("two"), cloud=_F, operations=((_C, Action.UPDATE),),
    ),
    Case(
        "edited in the cloud", Row.MERGE, "file", Verdict.LIVE,
        agreed=_F, school=_F, cloud=file("two"), operations=((_S, Action.UPDATE),),
    ),
    Case(
        "edited on both sides", Row.MERGE, "file", Verdict.LIVE,
        agreed=_F, school=file("two"), cloud=file("three"), operations=((_C, Action.DETACH),),
    ),
    Case(
        "a person renamed in the cloud", Row.MERGE, "user", Verdict.LIVE,
        agreed=_U, school=_U, cloud=user(display_name="Änne"), operations=((_C, Action.UPDATE),),
    ),
    Case(
        "an account deleted in the cloud", Row.CLOUD_GONE, "user", Verdict.LIVE,
        agreed=_U, school=_U, operations=((_C, Action.RESTORE),),
    ),
    Case(
        "an account purged in the cloud", Row.CLOUD_GONE, "user", Verdict.LIVE,
        agreed=_U, school=_U, gone=Evidence.PURGED, operations=((_C, Action.CREATE),),
    ),
    Case(
        "an account not seen in the cloud", Row.CLOUD_GONE, "user", Verdict.HOLD,
        agreed=_U, school=_U, gone=Evidence.MISSING, rule="missing-cloud",
    ),
    Case(
        "a file deleted in the cloud", Row.CLOUD_GONE, "file", Verdict.RETIRE,
        agreed=_F, school=_F, operations=((_S, Action.DELETE),),
    ),
    Case(
        "deleted in the cloud, edited at the school", Row.CLOUD_GONE, "file", Verdict.LIVE,
        agreed=_F, school=file("two"), operations=((_C, Action.RESTORE),),
    ),
    Case(
        "a leaver", Row.SCHOOL_GONE, "user", Verdict.RETIRE,
        agreed=_U, cloud=_U, operations=((_C, Action.DISABLE), (_C, Action.RETIRE)),
    ),
    Case(
        "a file deleted at the school", Row.SCHOOL_GONE, "file", Verdict.RETIRE,
        agreed=_F, cloud=_F, operations=((_C, Action.DELETE),),
    ),
    Case(
        "deleted at the school, edited in the cloud", Row.SCHOOL_GONE, "file", Verdict.LIVE,
        agreed=_F, cloud=file("two"), operations=((_S, Action.RESTORE),),
    ),
    Case(
        "a file outside the scope", Row.SCHOOL_GONE, "file", Verdict.HOLD,
        agreed=_F, cloud=_F, gone=Evidence.LEFT, rule="left-school",
    ),
    Case(
        "purged on both sides", Row.FORGET, "user", Verdict.FORGET,
        agreed=_U, gone=Evidence.PURGED, operations=((_S, Action.FORGET),),
    ),
    Case("still in a recycle bin", Row.FORGET, "user", Verdict.WAIT, agreed=_U),
)  # fmt: skip
