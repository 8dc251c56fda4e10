"""What a person decided about a file of which both versions were kept: done on one side, as if he had done it there.

| decision   | what is written                                                         |
|------------|-------------------------------------------------------------------------|
| keep-this  | the copy is deleted (into the trash)                                    |
| keep-other | the file under the old name is deleted, then the copy gets its old name |
| keep-both  | nothing                                                                 |

The next observation sees it and the other side follows. A crash in between leaves a decision that is not done; doing it
again finds what is left to do.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from bridge.core.model import Action, Operation
from bridge.engine.bridged import Bridged, Report
from bridge.ports import Failed, KeptBoth, Write


class Decision(StrEnum):
    """What can be decided; ``this`` is the version that kept its name, ``other`` the copy."""

    KEEP_THIS = "keep-this"
    KEEP_OTHER = "keep-other"
    KEEP_BOTH = "keep-both"


async def carry_out_decisions(bridged: Bridged, report: Report) -> None:
    """Carry out what was decided and not done yet; what fails is said and tried again in the next cycle."""
    files = [kind.name for kind in bridged.kinds.values() if kind.content]
    if not files:
        return
    for one in await bridged.remember(bridged.store.conflicts):
        if one.how and bridged.policy.may_remove(one.side) and await _done(bridged, report, one, files[0]):
            await bridged.remember(bridged.store.resolve, one.id)


async def _done(bridged: Bridged, report: Report, one: KeptBoth, kind: str) -> bool:
    if one.how == Decision.KEEP_BOTH or one.version is None:
        return True
    if one.how == Decision.KEEP_THIS:
        gone = Write(one.id, kind, Action.DELETE, one.anchor, expected=one.version)
        return await _write(bridged, report, one, gone)
    main = (await bridged.remember(bridged.store.originals, [one.link], one.side)).get(one.link)
    if main is not None and main[0] != one.anchor:
        gone = Write(one.id, kind, Action.DELETE, main[0], expected=main[1])
        if not await _write(bridged, report, one, gone):
            return False
    name = PurePosixPath(one.path).name
    renamed = Write(one.id, kind, Action.UPDATE, one.anchor, {bridged.kinds[kind].label: name}, expected=one.version)
    return await _write(bridged, report, one, renamed)


async def _write(bridged: Bridged, report: Report, one: KeptBoth, write: Write) -> bool:
    step = Operation(
        link=one.link,
        kind=write.kind,
        side=one.side,
        action=write.action,
        anchor=write.anchor,
        after=write.fields,
        expected=write.expected,
        reason=f"a person decided: {one.how}",
    )
    await bridged.remember(bridged.store.intend, [step], cycle=report.cycle, now=bridged.clock())
    async for outcome in bridged.connectors[one.side].apply([write]):
        if isinstance(outcome, Failed) and outcome.cause != "gone":
            report.messages.append(
                f"{bridged.code}: {one.path} was to be resolved ({one.how}), but the {one.side} refused: "
                f"{outcome.message}. It is tried again by itself."
            )
            return False
        report.executed[f"{write.kind}:{write.action}"] += 1
    return True
