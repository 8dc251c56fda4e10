"""S9: whoever edits, deletes, inserts or truncates the journal is found out, and the first row is named."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from bridge.core.model import Action
from bridge.state import SchoolStore
from bridge.state.journal import Checkpoint
from bridge.state.tables import journal
from tests.state.words import NOW, both, done, operation, user

ROWS = 6
COLUMNS = ("at", "actor", "cycle", "side", "kind", "action", "link", "anchor", "reason", "before", "after", "outcome")


@pytest.fixture
def written(store: SchoolStore) -> SchoolStore:
    """A journal of six rows: a link, a stage, two intentions and two writes."""
    both(store, user("a"))
    store.move_stage("hybrid", event="start", actor="admin", reason="ready")
    for name in ("x", "y"):
        one = operation(
            "La", Action.UPDATE, anchor="A", before={"display_name": "a"}, after={"display_name": name}, reason="r"
        )
        store.intend([one], cycle="c", now=NOW)
        store.record([done(one, "A", note="n")], cycle="c", now=NOW)
    assert store.verify().rows == ROWS
    return store


def tamper(store: SchoolStore, statement: str, **values: object) -> None:
    with store.database.write() as connection:
        assert connection.execute(text(statement), values).rowcount > 0


@pytest.mark.parametrize("seq", range(1, ROWS + 1))
def test_a_changed_row_is_found(written: SchoolStore, seq: int) -> None:
    for column in COLUMNS:
        value = "2026-03-02T07:30:00.000001+00:00" if column == "at" else '{"forged":1}'
        with written.database.read() as connection:
            query = text(f'SELECT "{column}" FROM journal WHERE seq = :seq')
            before = connection.execute(query, {"seq": seq}).scalar_one()
        tamper(written, f'UPDATE journal SET "{column}" = :value WHERE seq = :seq', value=value, seq=seq)
        verdict = written.verify()
        assert (verdict.ok, verdict.seq) == (False, seq), column
        tamper(written, f'UPDATE journal SET "{column}" = :value WHERE seq = :seq', value=before, seq=seq)
    assert written.verify().ok


def forged(column: str, before: object) -> object:
    """Another value for a column, of the form that it has."""
    if column == "seq":
        return ROWS + 7
    if column == "at":
        return "2026-03-02T07:30:00.000001+00:00"
    if column in {"salt", "digest", "hash"}:
        return ("1" if str(before)[0] == "0" else "0") + str(before)[1:]
    return '{"forged":1}' if column != "school" else "east"


@pytest.mark.parametrize("column", [column.name for column in journal.c])
def test_every_column_of_every_row_counts(written: SchoolStore, column: str) -> None:
    """Of the table as it is: a column that is added later is in this test, too."""
    written.database.school("east", written.kinds)
    for seq in range(1, ROWS + 1):
        mine = {"seq": seq, "school": "west"}
        with written.database.read() as connection:
            query = text(f'SELECT "{column}" FROM journal WHERE seq = :seq AND school = :school')
            before = connection.execute(query, mine).scalar_one()
        value = forged(column, before)
        statement = f'UPDATE journal SET "{column}" = :value WHERE seq = :seq AND school = :school'
        tamper(written, statement, value=value, **mine)
        verdict = written.verify()
        assert (verdict.ok, verdict.seq) == (False, seq)
        tamper(written, statement, value=before, **{**mine, **({column: value} if column in mine else {})})
    assert written.verify().ok


@pytest.mark.parametrize("seq", range(1, ROWS + 1))
@pytest.mark.parametrize("column", ["salt", "digest", "hash"])
def test_no_column_of_the_chain_can_be_emptied(written: SchoolStore, seq: int, column: str) -> None:
    """An empty salt says that the row was erased for a person's sake; that stands in a row of its own, or is forged."""
    tamper(written, f'UPDATE journal SET "{column}" = :value WHERE seq = :seq', value="", seq=seq)
    verdict = written.verify()
    assert (verdict.ok, verdict.seq) == (False, seq)


@pytest.mark.parametrize("seq", range(1, ROWS))
def test_two_rows_that_changed_places_are_found(written: SchoolStore, seq: int) -> None:
    for source, to in ((seq, ROWS + 9), (seq + 1, seq), (ROWS + 9, seq + 1)):
        tamper(written, "UPDATE journal SET seq = :to WHERE seq = :seq", seq=source, to=to)
    verdict = written.verify()
    assert (verdict.ok, verdict.seq) == (False, seq)


def test_a_head_that_was_moved_is_found(written: SchoolStore) -> None:
    for values in ("journal_seq = 5", "journal_seq = 7", "journal_hash = 'forged'", "journal_hash = ''"):
        with written.database.read() as connection:
            before = connection.execute(text("SELECT journal_seq, journal_hash FROM school")).one()
        tamper(written, f"UPDATE school SET {values}")
        assert not written.verify().ok, values
        back = "UPDATE school SET journal_seq = :seq, journal_hash = :hash"
        tamper(written, back, seq=before.journal_seq, hash=before.journal_hash)
    assert written.verify().ok


@pytest.mark.parametrize("seq", range(1, ROWS + 1))
def test_a_dropped_row_is_found(written: SchoolStore, seq: int) -> None:
    tamper(written, "DELETE FROM journal WHERE seq = :seq", seq=seq)
    verdict = written.verify()
    assert (verdict.ok, verdict.seq) == (False, seq)
    assert f"row {seq} is missing" in verdict.message


@pytest.mark.parametrize("seq", range(1, ROWS + 1))
def test_a_dropped_row_is_found_even_when_the_rest_moves_up(written: SchoolStore, seq: int) -> None:
    tamper(written, "DELETE FROM journal WHERE seq = :seq", seq=seq)
    for later in range(seq + 1, ROWS + 1):
        tamper(written, "UPDATE journal SET seq = :to WHERE seq = :seq", seq=later, to=later - 1)
    verdict = written.verify()
    assert (verdict.ok, verdict.seq) == (False, seq)


@pytest.mark.parametrize("seq", range(1, ROWS + 2))
def test_an_inserted_row_is_found(written: SchoolStore, seq: int) -> None:
    for later in range(ROWS, seq - 1, -1):
        tamper(written, "UPDATE journal SET seq = :to WHERE seq = :seq", seq=later, to=later + 1)
    copy_row(written, source=1 if seq > 1 else 3, to=seq)
    verdict = written.verify()
    assert (verdict.ok, verdict.seq) == (False, seq)


def copy_row(store: SchoolStore, *, source: int, to: int) -> None:
    columns = ", ".join(f'"{name}"' for name in (*COLUMNS, "salt", "digest", "hash", "school"))
    tamper(
        store,
        f"INSERT INTO journal (seq, {columns}) SELECT :to, {columns} FROM journal WHERE seq = :source",
        to=to,
        source=source,
    )


@pytest.mark.parametrize("left", range(ROWS))
def test_a_truncated_journal_is_found(written: SchoolStore, left: int) -> None:
    tamper(written, "DELETE FROM journal WHERE seq > :left", left=left)
    verdict = written.verify()
    assert (verdict.ok, verdict.seq) == (False, left + 1)


def forge_head(connection: Connection, seq: int) -> None:
    head = "SELECT hash FROM journal WHERE seq = :seq"
    connection.execute(text(f"UPDATE school SET journal_seq = :seq, journal_hash = ({head})"), {"seq": seq})


def test_a_truncation_with_a_forged_head_is_found_by_a_checkpoint(written: SchoolStore) -> None:
    kept = written.checkpoint()
    tamper(written, "DELETE FROM journal WHERE seq > 4")
    with written.database.write() as connection:
        forge_head(connection, 4)
    assert written.verify().ok
    verdict = written.verify(against=kept)
    assert (verdict.ok, verdict.seq) == (False, 5)


def test_a_chain_written_anew_is_found_by_a_checkpoint(written: SchoolStore) -> None:
    assert written.verify(against=written.checkpoint()).ok
    verdict = written.verify(against=Checkpoint("west", 3, "0" * 64))
    assert (verdict.ok, verdict.seq) == (False, 3)


def test_the_journal_is_read_in_parts_and_by_link(written: SchoolStore) -> None:
    assert [one.seq for one in written.journal(limit=2)] == [5, 6]
    assert [one.seq for one in written.journal(after=4)] == [5, 6]
    assert [one.seq for one in written.journal(link="La")] == [1, 4, 6]
    assert [one.seq for one in written.journal(link="La", limit=2)] == [4, 6]


def test_an_entry_says_who_did_what_why_and_from_what_to_what(written: SchoolStore) -> None:
    entry = [one.entry for one in written.journal()][3]
    assert (entry.action, entry.actor, entry.cycle, entry.side, entry.kind) == (
        "update",
        "bridge",
        "c",
        "cloud",
        "user",
    )
    assert (entry.link, entry.anchor, entry.reason, entry.outcome) == ("La", "A", "r", "written: n")
    assert (entry.before, entry.after) == ({"display_name": "a"}, {"display_name": "x"})


def test_redacted_entries_say_which_fields_but_no_values(written: SchoolStore) -> None:
    entry = [one.entry for one in written.journal(redact=True)][3]
    assert (entry.before, entry.after, entry.reason) == ({"display_name": "…"}, {"display_name": "…"}, "")


def test_each_school_has_a_chain_of_its_own(written: SchoolStore) -> None:
    east = written.database.school("east", written.kinds)
    east.move_stage("observing", event="observe", actor="admin", reason="start")
    assert (east.verify().rows, written.verify().rows) == (1, ROWS)
    assert east.checkpoint().hash != written.checkpoint().hash
