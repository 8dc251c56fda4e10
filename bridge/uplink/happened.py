"""What happened at the schools since it was told last: stages, steps of cutovers, what went wrong and what is over.

Where this got to stands in the state beside the outbox, and moves on in the transaction that adds the events: so
nothing is told twice, and nothing that happened while nobody looked is lost. The first look of all tells nothing old.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select

from bridge.api.models import CutoverView, RunView
from bridge.core.notices import Concern, Letter, Notice, Severity, What, letters, step, told
from bridge.daemon.notice_text import titled
from bridge.settings.models import Language
from bridge.state.database import Database
from bridge.state.outbox import News
from bridge.state.roots import BETWEEN
from bridge.state.tables import journal, school

#: What is wrong for so long is told, and what was calm for at least so long is over.
LASTS = timedelta(minutes=2)
_NOTICES = TypeAdapter(list[Notice])
_STAGE = "stage"
Told = Mapping[str, Any]


def heads(database: Database, codes: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Code -> number and hash of the newest row of its journal; schools that were never met are left out."""
    query = select(school.c.code, school.c.journal_seq, school.c.journal_hash)
    with database.read() as connection:
        rows = connection.execute(query.where(school.c.code.not_like(f"%{BETWEEN}%"))).all()
    mine = set(codes)
    return {row.code: (row.journal_seq, row.journal_hash) for row in rows if row.code in mine}


def stages(database: Database, code: str, told: Told, head: int) -> tuple[list[News], dict[str, Any]]:
    """Moves from stage to stage, out of the journal; what to remember."""
    after = told.get("journal")
    if after is None or after >= head:
        return [], {"journal": head}
    mine = (journal.c.school == code) & (journal.c.seq > after) & (journal.c.seq <= head)
    columns = (journal.c.at, journal.c.before, journal.c.after)
    query = select(*columns).where(mine, journal.c.action == _STAGE).order_by(journal.c.seq)
    with database.read() as connection:
        rows = connection.execute(query).all()
    found = [News(_STAGE, _moved(row.before, row.after), code, at=row.at) for row in rows]
    return [one for one in found if one.body["stage"]], {"journal": head}


def _moved(before: str, after: str) -> dict[str, str]:
    return {"stage": str(json.loads(after).get(_STAGE, "")), "before": str(json.loads(before).get(_STAGE, ""))}


def runs(view: CutoverView, told: Told) -> tuple[list[News], dict[str, Any]]:
    """Runs of a cutover that began, moved on, are held up or ended; what to remember."""
    since, last = _since(told), told.get("run")
    past = [(one.ended, one) for one in view.past if one.ended is not None]
    found = [(at, one) for at, one in past if "ended" in told and (since is None or at > since)]
    news = [News("run", _run(one), view.school, at=at) for at, one in sorted(found, key=lambda pair: pair[0])]
    now = _run(view.run) if view.run is not None else None
    if view.run is not None and now is not None and now != last:
        news.append(News("run", now, view.school, at=None if view.run.problem else view.run.step_since))
    ended = max((at for at, _ in past), default=since)
    return news, {"run": now, "ended": ended.isoformat() if ended else None}


def _since(told: Told) -> datetime | None:
    text = told.get("ended")
    return datetime.fromisoformat(text) if text else None


def _run(one: RunView) -> dict[str, str]:
    return {"id": one.id, "step": one.step, "outcome": one.outcome, "problem": one.problem}


def notices(
    concerns: Sequence[Concern], told_of: Told, now: datetime, language: Language
) -> tuple[list[News], dict[str, Any]]:
    """What is wrong for a while and what is over, as people would be told of it; what to remember."""
    known = _NOTICES.validate_python(told_of.get("notices", []))
    after = {one.concern.name: one for one in step(known, concerns, least=Severity.WARNING, after=LASTS, now=now)}
    news: list[News] = []
    for letter in letters(list(after.values()), after=LASTS, quiet=False, now=now):
        if letter.what is not What.LASTS:
            news += _said(letter, now, language)
        after |= {one.concern.name: one for one in told(letter, now)}
    return news, {"notices": _NOTICES.dump_python(list(after.values()), mode="json")}


def _said(letter: Letter, now: datetime, language: Language) -> Iterator[News]:
    """``key`` is the same from the beginning of a trouble to its end, at each of its schools."""
    for one in letter.notices:
        over = letter.what is What.OVER
        body = {"severity": one.concern.severity.value, "text": titled(one.concern, language), "over": over}
        yield News("notice", {**body, "key": letter.thread}, one.concern.school, at=now)
