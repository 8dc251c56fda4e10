"""The outbox of a site, on both engines: small while the hub is away, in order, nothing lost and nothing twice."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from bridge.core.fleet import Mark, Taken, Told, Verdict, take
from bridge.state import outbox
from bridge.state.aside import set_aside
from bridge.state.database import Database
from bridge.state.outbox import News, Packed


def keep(database: Database, *news: News) -> None:
    with outbox.opened(database) as tx:
        outbox.tell(tx, news)


def state(number: int, school: str = "0123") -> News:
    return News("school", {"n": number}, school, "school")


def event(number: int) -> News:
    return News("stage", {"n": number}, "0123")


def packed(database: Database, *, most: int = 500, size: int = 3 << 20) -> Packed:
    return outbox.pack(database, most=most, size=size)


def numbers(report: Packed) -> list[tuple[int, str, int]]:
    return [(one.seq, one.kind, one.body["n"]) for one in report.messages]


def confirm(database: Database, report: Packed, upto: int, verdict: Verdict = Verdict.APPLIED) -> bool:
    return outbox.conclude(database, report, hub=Mark(report.epoch, upto), verdict=verdict)


def test_a_newer_state_takes_the_place_of_one_that_was_not_sent_and_events_are_all_kept(database: Database) -> None:
    assert packed(database) == Packed(1, 0, 1, [])
    keep(database, state(1), event(1), state(5, "0456"))
    keep(database, state(2), event(2))
    report = packed(database)
    assert numbers(report) == [(1, "school", 2), (2, "stage", 1), (3, "school", 5), (4, "stage", 2)]
    assert (report.epoch, report.last, report.oldest) == (1, 4, 1)


def test_what_is_in_flight_stays_as_it_is_and_all_behind_it_is_one_row_a_slot(database: Database) -> None:
    keep(database, state(1))
    first = packed(database)
    for number in range(2, 50):
        keep(database, state(number))
        assert packed(database) == first
    assert outbox.waiting(database) == 2
    assert not confirm(database, first, 1)
    assert numbers(packed(database)) == [(2, "school", 49)]


def test_a_receipt_of_half_a_report_leaves_the_other_half(database: Database) -> None:
    keep(database, *map(event, range(10)))
    report = packed(database, most=4)
    assert [one.seq for one in report.messages] == [1, 2, 3, 4]
    confirm(database, report, 2)
    again = packed(database)
    assert ([one.seq for one in again.messages], again.oldest, again.last) == ([3, 4], 3, 4)
    confirm(database, again, 3, Verdict.REPEATED)
    confirm(database, again, 99)  # a hub that says more than it was told
    assert [one.seq for one in packed(database).messages] == [5, 6, 7, 8, 9, 10]


def test_a_report_has_a_size_but_always_one_message(database: Database) -> None:
    keep(database, *(News("stage", {"n": number, "text": "x" * 1000}) for number in range(5)))
    assert len(packed(database, size=3000).messages) == 2
    keep(database, News("notice", {"text": "y" * 5000}))
    confirm(database, packed(database), 2)
    assert len(packed(database, size=10).messages) == 1
    with pytest.raises(outbox.TooLarge, match="512"):
        keep(database, News("school", {"text": "ß" * (300 << 10)}))


def test_behind_the_hub_a_new_epoch_begins_and_an_old_receipt_says_nothing_any_more(database: Database) -> None:
    keep(database, event(1), state(1))
    report = packed(database)
    keep(database, state(2))
    assert outbox.conclude(database, report, hub=Mark(1, 40), verdict=Verdict.BEHIND)
    assert packed(database).epoch == 2
    assert numbers(packed(database)) == [(1, "stage", 1), (2, "school", 2)]
    assert not confirm(database, report, 2)
    assert not outbox.conclude(database, report, hub=Mark(1, 40), verdict=Verdict.BEHIND)
    assert outbox.waiting(database) == 2


def test_messages_that_the_hub_never_got_are_answered_once_also_where_the_receipt_that_said_so_was_lost(
    database: Database,
) -> None:
    keep(database, event(1))
    report = packed(database)
    hub = Mark(1, 1)
    told = [
        outbox.conclude(database, report, hub=hub, verdict=verdict, missing=missing)
        for verdict, missing in (
            (Verdict.REPEATED, 3), (Verdict.REPEATED, 3), (Verdict.APPLIED, 5), (Verdict.APPLIED, 0),
        )
    ]  # fmt: skip
    assert told == [True, False, True, True], "another number, also a smaller one: that hub was put back"


def test_what_was_set_aside_is_told_in_a_new_epoch_too(database: Database) -> None:
    keep(database, event(1), event(2), state(1))
    report = packed(database)
    assert [set_aside(database, report, seq, "too new") for seq in (1, 2)] == [True, True]
    outbox.conclude(database, report, hub=Mark(1, 40), verdict=Verdict.BEHIND)
    assert [(one.seq, one.kind) for one in packed(database).messages] == [(1, "notice"), (2, "notice"), (3, "school")]


def test_too_many_events_are_dropped_by_their_age_and_the_number_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST_EVENTS", 100)
    monkeypatch.setattr(outbox, "_DROPPED_AT_ONCE", 10)
    keep(database, state(1))
    flying = packed(database)
    for start in range(0, 300, 5):
        keep(database, *map(event, range(start, start + 5)), state(start))
    assert outbox.waiting(database) <= 103
    confirm(database, flying, 1)
    found = packed(database).messages
    (lost,) = (one.body["dropped"] for one in found if one.kind == "notice")
    left = [one.body["n"] for one in found if one.kind == "stage"]
    assert left == list(range(lost, 300)), "exactly the oldest went, as many as it says"
    assert f"{lost} events are lost" in found[0].body["text"]


def test_an_answer_stands_there_once_until_it_is_confirmed(database: Database) -> None:
    answer = News("answer", {"n": 1}, "0123", "answer:abc", once=True)
    keep(database, answer)
    keep(database, answer)
    report = packed(database)
    keep(database, answer)
    assert outbox.waiting(database) == 1
    confirm(database, report, 1)
    keep(database, answer)
    assert outbox.waiting(database) == 1


def test_what_events_were_told_up_to_goes_with_them_or_not_at_all(database: Database) -> None:
    with pytest.raises(outbox.TooLarge):
        _all_of_it(database)
    with outbox.opened(database) as tx:
        assert outbox.told(tx.connection) == {}
        outbox.remember(tx, "0123", {"journal": 8})
        outbox.remember(tx, "", {"notices": []})
    with outbox.opened(database) as tx:
        assert outbox.told(tx.connection) == {"0123": {"journal": 8}, "": {"notices": []}}
    assert outbox.waiting(database) == 0


def _all_of_it(database: Database) -> None:
    with outbox.opened(database) as tx:
        outbox.tell(tx, [event(1)])
        outbox.remember(tx, "0123", {"journal": 7})
        outbox.tell(tx, [News("notice", {"text": "x" * (600 << 10)})])


class Hub:
    """Applies by the law; remembers what."""

    def __init__(self) -> None:
        self.mark, self.applied = Mark(), list[int]()

    def hear(self, report: Packed) -> Taken:
        seqs = [one.seq for one in report.messages]
        taken = take(self.mark, Told(report.epoch, report.last, report.oldest, seqs))
        self.mark = taken.mark
        if taken.verdict is Verdict.APPLIED:
            self.applied += [one.body["n"] for one in report.messages if one.seq >= taken.first]
        assert not taken.missing
        return taken


@pytest.mark.parametrize("seed", range(2))
def test_over_a_bad_line_each_event_arrives_once_and_in_order(database: Database, seed: int) -> None:
    chance, hub, told = random.Random(seed), Hub(), 0
    flying: list[Packed] = []
    receipts: list[tuple[Packed, Taken]] = []
    for _ in range(80):
        for _ in range(chance.randrange(3)):
            keep(database, event(told))
            told += 1
        flying.append(packed(database, most=chance.choice([1, 3, 500])))
        if chance.random() < 0.6:  # else this one is late, or lost
            report = chance.choice(flying)
            receipts.append((report, hub.hear(report)))
        if receipts and chance.random() < 0.6:
            report, taken = chance.choice(receipts)
            assert not outbox.conclude(database, report, hub=taken.mark, verdict=taken.verdict)
    _drain(database, hub)
    assert hub.applied == list(range(told))


def _drain(database: Database, hub: Hub) -> None:
    while outbox.waiting(database):
        report = packed(database)
        taken = hub.hear(report)
        outbox.conclude(database, report, hub=taken.mark, verdict=taken.verdict)


def test_a_state_that_was_put_back_never_tells_an_event_of_before_again(database: Database) -> None:
    hub = Hub()
    keep(database, *map(event, range(5)))
    _drain(database, hub)
    _put_back(database, last=2, rest=[News("stage", {"n": 2}), News("stage", {"n": 3})])
    report = packed(database)
    taken = hub.hear(report)
    assert taken.verdict is Verdict.BEHIND
    assert outbox.conclude(database, report, hub=taken.mark, verdict=taken.verdict)
    assert packed(database).epoch == 2
    keep(database, event(100))
    _drain(database, hub)
    assert hub.applied == [0, 1, 2, 3, 4, 2, 3, 100], "a new epoch tells what the old state still had to tell"


def _put_back(database: Database, *, last: int, rest: Sequence[News]) -> None:
    with outbox.opened(database) as tx:
        outbox.tell(tx, rest)
        tx.connection.exec_driver_sql(f"UPDATE uplink SET last = {last}")
    assert packed(database).last == last + len(rest) < 5
