"""All roots of a school compared by content, one after the other: for ``verify`` and for the cutover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from bridge.daemon.roots import Root
from bridge.daemon.trouble import said
from bridge.daemon.verify import Found, Task, compare
from bridge.daemon.whereabouts import Gone
from bridge.ports import BridgeError, Waiting
from bridge.state.linked import links


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found; root -> why it could not be compared; roots that have no folder yet."""

    found: list[Found] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    def totals(self) -> Counter[str]:
        """The counts of all roots together."""
        totals = Counter[str]()
        for one in self.found:
            totals.update(one.counts)
        return totals

    def numbers(self) -> dict[str, int]:
        """What counts for the verdict."""
        totals = self.totals()
        return {
            "roots": len(self.found),
            "absent": len(self.absent),
            "errors": len(self.errors),
            "files": totals["school:file"],
            "compared": sum(one.compared for one in self.found),
            "left": totals["left_for_other_nights"],
            "different": totals["different"],
            "held": totals["held"],
            "unread": totals["unread"],
        }


async def compare_all(task: Task, roots: Sequence[Root]) -> Compared:
    """Compare these roots; what stops one of them never stops the others."""
    all_ = Compared()
    for root in roots:
        try:
            all_.found.append(await compare(task, root))
        except (Waiting, Gone) as error:
            # Where something was mirrored before, a folder that is gone is the worst of differences.
            if next(links(task.ground.database, root.code), None) is None:
                all_.absent.append(root.code)
            else:
                before = "" if isinstance(error, Gone) else ". It was there before: put it back"
                all_.errors[root.code] = f"{said(error)}{before}"
        except (BridgeError, OSError, SQLAlchemyError) as error:
            all_.errors[root.code] = said(error)
    return all_
