"""Notice by itself that a state was put back: a small file beside it remembers how far the journals were.

| the journal's head in the file | in the state | so |
|---|---|---|
| none | any | nothing is known |
| number n, hash h | fewer than n rows | put back |
| number n, hash h | row n has another hash | put back, and used since |
| number n, hash h | row n has that hash | went on |

The file is written from what is committed, so that it is never ahead of what is on the disk: a crash is no false alarm.
It is looked at when the daemon starts and written once a minute, where something changed, and at its end. Whoever puts
back the file together with the state (a whole machine) has to say so: ``schoolbridge restored begin``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from bridge.state import restored
from bridge.state.database import Database
from bridge.state.private import save
from bridge.state.roots import BETWEEN
from bridge.state.tables import journal, school

FILE = "last-seen.json"
#: Seconds between two writes.
EVERY = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a school or a root was: the head of its journal, and its stage."""

    seq: int
    hash: str
    stage: str


def place(database: Database) -> Path | None:
    """Where the file lies: beside the key of names. None for a state in memory."""
    return None if database.key.path is None else database.key.path.with_name(FILE)


def keep(database: Database) -> Sequence[str]:
    """Look whether the state was put back, note that, and write down how far it is now. The schools that were.

    What was put back is noted before the file forgets it: a crash in between notes it once more, which changes nothing.
    Raises OSError where the file can't be written.
    """
    file = place(database)
    if file is None:
        return ()
    before = _read(file)  # first: the state may go on meanwhile, and what it is then must not look like less
    with database.read() as connection:
        rows = connection.execute(select(school.c.code, school.c.journal_seq, school.c.journal_hash, school.c.stage))
        now = {row.code: Mark(row.journal_seq, row.journal_hash, row.stage) for row in rows}
        found = {code: mark for code, mark in before.items() if _put_back(connection, code, mark, now.get(code))}
    codes = sorted({code.partition(BETWEEN)[0] for code in found})
    for code in codes:
        _note(database, code, before.get(code), now.get(code))
    if codes or now != before:
        # What happens from here on is in the next one: the file may be behind, never ahead.
        _write(file, now)
    return codes


def _put_back(connection: Connection, code: str, was: Mark, now: Mark | None) -> bool:
    if now is None:
        # A root whose owner was erased is gone from the state, too; a root without a state has nothing to lose.
        return BETWEEN not in code
    if now.seq < was.seq:
        return True
    if now.seq == was.seq:
        return now.hash != was.hash
    row = (journal.c.school == code) & (journal.c.seq == was.seq)
    return was.seq > 0 and connection.scalar(select(journal.c.hash).where(row)) != was.hash


def _note(database: Database, code: str, was: Mark | None, now: Mark | None) -> None:
    """A state in an earlier stage than the school was would write to the wrong side: then nothing is written."""
    other = was is not None and (now is None or now.stage != was.stage)
    reason = "the state is older than what was written down beside it"
    if was is not None and other:
        stage = now.stage if now else "unknown"
        reason += f": the school was {was.stage}, this state says {stage}"
    restored.note(database, [code], reason=reason, still=other)


def _read(file: Path) -> Mapping[str, Mark]:
    """What the file says; nothing where there is none, or none that can be understood."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        tree = json.loads(file.read_text(encoding="utf-8"))
        return {code: Mark(int(one["seq"]), str(one["hash"]), str(one["stage"])) for code, one in tree.items()}
    return {}


def _write(file: Path, marks: Mapping[str, Mark]) -> None:
    """Whole or not at all; on the disk before it counts."""
    save(file, json.dumps({code: asdict(mark) for code, mark in marks.items()}).encode(), replace=True)
