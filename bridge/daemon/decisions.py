"""What a person decides, as the commands and the status API do it alike. Errors say what would be right."""

from __future__ import annotations

from sqlalchemy import or_, select

from bridge.core.model import Choice
from bridge.core.policy import Tally
from bridge.engine.resolve import Decision
from bridge.ports import ConfigurationError
from bridge.settings import School
from bridge.settings.render import guess
from bridge.state import journal, touch
from bridge.state.database import Database
from bridge.state.drift import Drifted
from bridge.state.roots import below
from bridge.state.store import SchoolStore
from bridge.state.tables import conflict, trouble
from bridge.state.transaction import writing


def of_a_sort(store: SchoolStore, text: str) -> list[str]:
    """The links that the guard holds for ``KIND:TALLY``."""
    kind, _, tally = text.partition(":")
    if kind not in store.kinds or tally not in {*Tally, "missing", "empty"}:
        right = guess(tally, [*(one.value for one in Tally), "missing", "empty"])
        raise ConfigurationError(f"--all wants KIND:TALLY like user:delete, not {text}; {right}")
    links = [one.link for one in store.troubles() if one.kind == kind and one.rule == f"guard:{tally}"]
    if not links:
        raise ConfigurationError(f"the guard holds no {kind} for {tally} now; see: schoolbridge quarantine")
    return links


def drift_handle(one: Drifted) -> str:
    """What a drift is called when somebody decides about it."""
    return f"{one.link}:{one.field}:{one.side}"


def decide_drift(store: SchoolStore, name: str, choice: Choice, *, actor: str, reason: str) -> None:
    """Decide about the drift of that name."""
    rows = {drift_handle(row): row for row in store.drifts()}
    if name not in rows:
        raise ConfigurationError(f'{store.code} knows no drift of "{name}"; {guess(name, rows)}')
    row = rows[name]
    store.choose(row.link, row.field, row.side, choice, actor=actor, reason=reason)


def decide_conflict(
    database: Database, school: School, name: str, keep: str, *, actor: str, reason: str
) -> None:  # fmt: skip
    """Decide about an open conflict; ``keep`` is ``both``, or the side whose version keeps the name."""
    query = select(conflict.c.school, conflict.c.side).where(
        below(conflict.c.school, school.code), conflict.c.id == name, conflict.c.resolved.is_(None)
    )
    with database.read() as connection:
        found = connection.execute(query).first()
    if found is None:
        raise ConfigurationError(f'{school.code} has no open conflict "{name}"; see: schoolbridge conflicts')
    # The row's side is the one whose version lost the name.
    how = Decision.KEEP_BOTH if keep == "both" else Decision.KEEP_OTHER if keep == found.side else Decision.KEEP_THIS
    kinds = {of: kind for of, kind in school.kinds().items() if kind.parent}
    database.school(found.school, kinds).decide(name, how, actor=actor, reason=reason)


def place_of(database: Database, code: str, link: str) -> str:
    """The code under which a link is held: the school's own, or that of a root of its shares."""
    of = trouble.c
    query = select(of.school).where(or_(of.school == code, below(of.school, code)), of.link == link)
    with database.read() as connection:
        found = connection.execute(query.order_by(of.school)).scalars().first()
    if found is None:
        raise ConfigurationError(f'{code}: "{link}" is not held; see: schoolbridge quarantine')
    return str(found)


def release(database: Database, school: School, link: str, *, actor: str, reason: str) -> None:
    """Let one link pass that is held, wherever it lies."""
    code = place_of(database, school.code, link)
    database.school(code, school.kinds()).release(link, actor=actor, reason=reason)


def retry(database: Database, school: School, link: str, *, actor: str, reason: str) -> None:
    """Try now again what failed, without letting it pass any rule."""
    code = place_of(database, school.code, link)
    with writing(database, code, school.kinds()) as tx:
        touch.touch(tx, [link])
        mine = (trouble.c.school == code) & (trouble.c.link == link)
        tx.run(trouble.update().where(mine, trouble.c.retry_at.is_not(None)).values(retry_at=tx.now))
        journal.append(tx, [journal.Entry("retry", actor=actor, link=link, reason=reason, outcome="asked")])
