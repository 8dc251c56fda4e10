"""Reports are applied once and in order: many in one transaction, by several processes, bad ones among good ones."""

import asyncio
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bridge.core.fleet import Verdict
from bridge.fleet.certificates import Issued
from bridge.fleet.messages import Report
from bridge.hub import inbox as inboxes
from bridge.hub.inbox import Full, Inbox, Spent, Unfit
from bridge.hub.telling import concerns
from bridge.settings.hub import HubFile
from bridge.state import hub_certificates, hub_inbox, hub_orders, hub_retention, hub_sites, journal
from bridge.state.database import Database, open_database
from bridge.state.fleet_tables import hub_command, hub_demand, hub_event, hub_head, hub_school, hub_site
from bridge.state.hub_inbox import Outcome, Posted
from tests.fleet.live_hub import event, report_of, state
from tests.state.conftest import Clock


def invite(database: Database, site: str, *schools: str) -> None:
    hub_sites.invite(database, site, schools=schools, label="", actor="test")


def posted(database: Database, site: str, first: int, *messages: Any, **more: Any) -> Posted:
    now = database.clock()
    made = report_of(first, messages, now.isoformat(), epoch=more.pop("epoch", 1)) | more
    return Posted(site, "1", Report.model_validate(made), now)


def apply(database: Database, *many: Posted) -> list[Outcome]:
    return hub_inbox.apply(database, many)


def rows(database: Database, table: Any) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key.columns)))


def bodies(database: Database) -> dict[tuple[str, str], Any]:
    return {(row.school, row.slot): json.loads(row.body) for row in rows(database, hub_school)}


def test_repeated_overlapping_and_reordered_reports_are_applied_once(database: Database) -> None:
    invite(database, "west", "0123")
    first = posted(database, "west", 1, event("0123", "a"), state("0123", 1))
    more = posted(database, "west", 2, state("0123", 1), event("0123", "b"), state("0123", 2), oldest=1)
    late = posted(database, "west", 7, event("0123", "d"), oldest=1)
    verdicts = [one.taken.verdict for one in apply(database, first, late, more, more, first)]
    assert verdicts == [Verdict.APPLIED, Verdict.HOLE, Verdict.APPLIED, Verdict.REPEATED, Verdict.BEHIND]
    assert [json.loads(row.body)["text"] for row in rows(database, hub_event)] == ["a", "b"]
    assert bodies(database) == {("0123", "school"): {"number": 2}}
    (row,) = rows(database, hub_site)
    assert (row.epoch, row.seq, row.missing) == (1, 4, 0)


def test_what_is_lost_is_counted_and_a_new_epoch_tells_anew(database: Database, clock: Clock) -> None:
    invite(database, "west", "0123")
    apply(database, posted(database, "west", 4, event("0123", "d")))
    apply(database, posted(database, "west", 1, state("0123", 7), epoch=2))
    (old,) = apply(database, posted(database, "west", 5, state("0123", 6)))
    assert old.taken.verdict is Verdict.BEHIND
    (row,) = rows(database, hub_site)
    assert (row.epoch, row.seq, row.missing) == (2, 1, 3)
    assert bodies(database)["0123", "school"] == {"number": 7}


def test_numbers_can_t_be_used_up_by_who_has_a_site_s_certificate(database: Database) -> None:
    invite(database, "west", "0123")
    apply(database, posted(database, "west", 1, state("0123", 1), epoch=3))
    most = 2**31 - 1
    (refused,) = apply(database, posted(database, "west", 1, state("0123", 2), epoch=most))
    assert "never begun" in refused.refused
    lost = [posted(database, "west", most, event("0123", "x"), epoch=epoch, oldest=most) for epoch in (3, 4, 5)]
    assert [one.taken.verdict for one in apply(database, *lost)] == [Verdict.APPLIED] * 3
    (row,) = rows(database, hub_site)
    assert (row.epoch, row.missing) == (5, most), "a sum that the column can hold"
    (own,) = apply(database, posted(database, "west", 1, state("0123", 3), epoch=6))
    assert own.taken.verdict is Verdict.APPLIED, "the site itself goes on"


def test_an_answer_about_a_school_that_was_given_away_meanwhile_counts(database: Database) -> None:
    """What was done was done: nobody is to ask for it again because the school has another site now."""
    invite(database, "west", "0123")
    invite(database, "east", "0456")
    command(database)
    hub_sites.assign(database, "0123", "east", actor="test", reason="a new building")
    (said,) = apply(database, posted(database, "west", 1, answer("command-1"), state("0123", 666)))
    assert said.answers == ("command-1",)
    closed = hub_orders.command(database, "command-1")
    assert closed is not None
    assert closed.state == "done"
    assert bodies(database) == {}, "its states are passed over"


def test_people_are_told_of_a_site_that_enrolled_and_was_never_heard(database: Database, clock: Clock) -> None:
    hub = HubFile.model_validate({"version": 1, "sites": {"names": ["hub.example"]}})
    issued = Issued("PEM", "a1", clock.now + timedelta(days=90))
    secret = hub_sites.invite(database, "west", schools=["0123"], label="", actor="test")
    invite(database, "east", "0456")  # nobody has used its ticket yet
    clock.pass_(hours=5)
    hub_certificates.enrolled(database, "west", secret=secret, request="r", issue=lambda: issued)
    began = clock.now
    assert concerns(hub, database, clock.pass_(minutes=14)) == []
    (silent,) = concerns(hub, database, clock.pass_(minutes=2))
    assert (silent.school, silent.kind, silent.subject, silent.since) == ("0123", "silent", "west", began)
    apply(database, posted(database, "west", 1, state("0123", 1)))
    assert concerns(hub, database, clock.now) == []


def test_hearing_is_noted_also_where_nothing_is_told(database: Database, clock: Clock) -> None:
    invite(database, "west", "0123")
    ahead = (clock.now + timedelta(minutes=6)).isoformat()
    apply(database, posted(database, "west", 1, now=ahead, version="2.0"))
    (row,) = rows(database, hub_site)
    assert (row.heard, row.ahead, row.version) == (clock.now, 360.0, "2.0")
    demand = {"tenant": "t" * 8, "budget": "writes", "wanted": 5.0}
    for wanted in (5.0, 7.0):
        apply(database, posted(database, "west", 1, demands=[demand | {"wanted": wanted}]))
    assert [(one.site, one.wanted, one.promises) for one in rows(database, hub_demand)] == [("west", 7.0, "[]")]


def test_several_processes_apply_the_same_reports_once(database: Database, url: str, clock: Clock) -> None:
    """Two processes of a hub get the same reports in different orders, at the same time."""
    others = [open_database(url, clock=clock) for _ in range(2)]
    sites = [f"site{number}" for number in range(4)]
    for site in sites:
        invite(database, site, f"school-{site}")

    def work(mine: Database, order: int) -> None:
        for number in range(1, 11):
            told = [posted(mine, site, number, event(f"school-{site}", str(number)), oldest=1) for site in sites]
            for batch in (told[::order], told[::-order]):
                hub_inbox.apply(mine, batch)

    threads = [threading.Thread(target=work, args=(one, order)) for one, order in zip(others, (1, -1), strict=True)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for one in others:
        one.close()
    found = rows(database, hub_event)
    assert sorted((row.site, row.seq) for row in found) == [(site, n) for site in sites for n in range(1, 11)]
    assert {(row.seq, row.missing) for row in rows(database, hub_site)} == {(10, 0)}


def test_a_journal_that_was_written_anew_is_noticed(database: Database) -> None:
    invite(database, "west", "0123")

    def head(first: int, seq: int, letter: str) -> None:
        body = {"seq": seq, "hash": letter * 64}
        apply(database, posted(database, "west", first, {"school": "0123", "kind": "head", "body": body}))

    head(1, 5, "a")
    head(2, 9, "b")
    head(3, 9, "b")
    assert rows(database, hub_event) == []
    head(4, 9, "c")
    head(5, 6, "d")
    head(6, 7, "e")
    found = [(row.kind, json.loads(row.body)) for row in rows(database, hub_event)]
    assert [(kind, body["severity"], body["seq"]) for kind, body in found] == [("head", "red", 9), ("head", "red", 6)]
    assert [(row.seq, row.hash[0]) for row in rows(database, hub_head)] == [(5, "a"), (6, "d"), (7, "e"), (9, "c")]
    with database.read() as connection:
        actions = [one.entry.action for one in journal.read(connection, "0123")]
        assert journal.verify(connection, "0123").ok
    assert actions.count("journal changed at the site") == 2


def command(database: Database, name: str = "command-1", *, site: str = "west", lasts: int = 60) -> None:
    now = database.clock()
    hub_orders.ask(
        database,
        hub_orders.Command(name, site, "0123", "{}", '{"text":"t","value":"v"}', "anna", "why", "", now,
                           now + timedelta(seconds=lasts)),
    )  # fmt: skip


def answer(name: str, what: str = "done") -> dict[str, Any]:
    return {"school": "0123", "kind": "answer", "body": {"command": name, "state": what, "text": what}}


def test_a_command_is_closed_by_its_first_answer_and_truth_beats_expiry(database: Database, clock: Clock) -> None:
    invite(database, "west", "0123")
    command(database)
    command(database)  # asked again: the same row
    assert len(rows(database, hub_command)) == 1
    clock.pass_(seconds=61)
    assert hub_orders.expire(database) == 1
    assert hub_orders.expire(database) == 0
    apply(database, posted(database, "west", 1, answer("command-1"), answer("command-1", "refused")))
    (row,) = rows(database, hub_command)
    assert (row.state, row.answered) == ("done", clock.now)
    with database.read() as connection:
        actions = [one.entry.action for one in journal.read(connection, "0123")]
    assert actions == ["invite site", "ask", "expire command", "answer"]


def test_what_was_sent_and_never_answered_may_have_been_done(database: Database, clock: Clock) -> None:
    """A site that is killed between doing and answering: who asked must not hear that nothing was done."""
    invite(database, "west", "0123")
    invite(database, "east", "0124")
    command(database)
    command(database, "command-2", site="east")
    assert set(hub_orders.take(database, ["west"])) == {"west"}
    clock.pass_(seconds=61)
    assert hub_orders.expire(database) == 2
    told = {row.id: row.answer for row in rows(database, hub_command)}
    assert told == {"command-1": hub_orders.UNANSWERED, "command-2": hub_orders.UNHEARD}


def test_orders_are_sent_again_until_they_are_answered_or_expire(database: Database, clock: Clock) -> None:
    invite(database, "west", "0123")
    command(database, lasts=70)

    def sent() -> int:
        clock.pass_(seconds=10)
        due = hub_orders.due(database)
        found = hub_orders.take(database, ["west", "east"])
        assert due == set(found)
        return sum(len(one.commands) for one in found.values())

    assert [sent() for _ in range(8)] == [1, 0, 0, 0, 1, 0, 0, 0]
    with database.write() as connection:
        hub_orders.take_back(connection, ["command-1", "nothing"], at=clock.now, actor="anna", reason="no")
    assert [one.state for one in hub_orders.closed(database, ["command-1", "nothing"])] == ["withdrawn"]


def test_a_receipt_is_no_larger_than_a_site_reads(database: Database, clock: Clock) -> None:
    invite(database, "west", "0123")
    now, text = clock.now, "x" * (1 << 20)
    for number in range(6):
        row = hub_orders.Command(
            f"command-{number}", "west", "0123", "{}", f'{{"text":"{text}","value":"v"}}', "anna", "why", "",
            now, now + timedelta(hours=1),
        )  # fmt: skip
        hub_orders.ask(database, row)
    assert [len(hub_orders.take(database, ["west"])["west"].commands) for _ in range(2)] == [3, 3]


def test_what_is_old_is_removed_and_heads_are_thinned(database: Database, clock: Clock) -> None:
    invite(database, "west", "0123")
    command(database, "withdrawn")
    with database.write() as connection:
        hub_orders.take_back(connection, ["withdrawn"], at=clock.now, actor="anna", reason="why")
    command(database, "open")
    for number in range(1, 7):
        body = {"seq": number, "hash": "a" * 64}
        head = {"school": "0123", "kind": "head", "body": body}
        apply(database, posted(database, "west", 2 * number - 1, head, event("0123", "x")))
        clock.pass_(hours=12)
    hub_retention.clean(database)
    assert [row.seq for row in rows(database, hub_head)] == [2, 3, 4, 5, 6]
    assert len(rows(database, hub_command)) == 2
    clock.pass_(days=399)
    command(database, "new")
    assert hub_retention.clean(database)["events"] == 4
    assert {row.id for row in rows(database, hub_command)} == {"open", "new"}


@pytest.fixture
async def inbox(database: Database) -> Any:
    made = Inbox(database)
    made.start()
    yield made
    await made.stop()


async def test_reports_that_come_together_are_written_together(inbox: Inbox, database: Database) -> None:
    for number in range(20):
        invite(database, f"site{number}", f"s{number}")
    told = [posted(database, f"site{number}", 1, state(f"s{number}", number)) for number in range(20)]
    outcomes = await asyncio.gather(*map(inbox.put, told))
    assert {one.taken.verdict for one in outcomes} == {Verdict.APPLIED}
    assert inbox.commits <= 2
    assert inbox.applied == 20


async def test_a_report_that_can_t_be_kept_fails_alone(inbox: Inbox, database: Database) -> None:
    """Whatever the models and checks let through: here a time without a zone, which the state refuses."""
    invite(database, "west", "0123")
    invite(database, "east", "0456")
    bad = posted(database, "west", 1, {**state("0123", 1), "at": "2026-03-02T07:30:00"})
    good = posted(database, "east", 1, state("0456", 2))
    first, second = await asyncio.gather(inbox.put(bad), inbox.put(good), return_exceptions=True)
    assert isinstance(first, Unfit)
    assert isinstance(second, Outcome)
    assert list(bodies(database)) == [("0456", "school")]
    assert next(row.seq for row in rows(database, hub_site) if row.site == "west") == 0


async def test_a_site_tells_no_more_than_a_day_s_events_and_fills_nobody_s_disk(
    inbox: Inbox, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inboxes, "A_DAY", 3)
    invite(database, "west", "0123")
    invite(database, "east", "0456")
    first = posted(database, "west", 1, *(event("0123", "x") for _ in range(3)), state("0123", 1))
    await inbox.put(first)
    for again in (posted(database, "west", 5, event("0123", "x")), first):
        with pytest.raises(Spent):
            await inbox.put(again)
    assert len(rows(database, hub_event)) == 3
    assert (await inbox.put(posted(database, "east", 1, event("0456", "y")))).taken.verdict is Verdict.APPLIED
    clock.pass_(hours=24)
    assert (await inbox.put(posted(database, "west", 5, event("0123", "x")))).taken.verdict is Verdict.APPLIED


async def test_an_inbox_that_is_full_or_ended_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    invite(database, "west", "0123")
    monkeypatch.setattr(inboxes, "LONGEST", 1)
    inbox = Inbox(database)
    inbox.start()
    one = asyncio.create_task(inbox.put(posted(database, "west", 1, state("0123", 1))))
    await asyncio.sleep(0)
    with pytest.raises(Full):
        await inbox.put(posted(database, "west", 1, state("0123", 1)))
    assert (await one).taken.verdict is Verdict.APPLIED
    await inbox.stop()
    with pytest.raises(Full):
        await inbox.put(posted(database, "west", 2, state("0123", 2)))


def test_two_people_can_t_give_one_school_to_two_sites(database: Database, url: str, clock: Clock) -> None:
    failed = list[str]()

    def work(site: str, mine: Database) -> None:
        try:
            invite(mine, site, "0123")
        except Exception as error:  # noqa: BLE001 - shown below
            failed.append(str(error))

    others = [open_database(url, clock=clock) for _ in range(2)]
    threads = [threading.Thread(target=work, args=one) for one in zip(("west", "east"), others, strict=True)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for one in others:
        one.close()
    assert len(failed) == 1
    assert "hub assign 0123" in failed[0]
    assert [row.schools for row in rows(database, hub_site)] == ["0123"]


def test_a_ticket_ends_and_an_older_one_is_replaced(database: Database, clock: Clock) -> None:
    def use(secret: str, request: str = "r") -> None:
        serial = f"{len(rows(database, hub_site))}{secret[:8]}"
        issued = Issued("pem", serial, clock.now + timedelta(days=90))
        hub_certificates.enrolled(database, "west", secret=secret, request=request, issue=lambda: issued)

    first = hub_sites.invite(database, "west", schools=["0123"], label="West", actor="test")
    second = hub_sites.invite(database, "west", schools=[], label="", actor="test")
    for wrong in (first, "", second[:-1]):
        with pytest.raises(hub_certificates.Unknown):
            use(wrong)
    clock.pass_(days=8)
    with pytest.raises(hub_certificates.Unknown):
        use(second)
    third = hub_sites.invite(database, "west", schools=[], label="", actor="test")
    use(third)
    (site,) = hub_sites.sites(database)
    assert (site.label, site.schools, site.state(clock.now)) == ("West", ("0123",), "enrolled")
    clock.pass_(days=91)
    assert site.state(clock.now) == "expired"
    assert hub_sites.revoke(database, "west", actor="test", reason="gone")
    assert hub_sites.sites(database)[0].state(clock.now) == "revoked"
    assert not hub_sites.revoke(database, "nobody", actor="test", reason="gone")
