"""Telling people over real sockets out of a real state: once, again where it failed, and never a name."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Action, Side
from bridge.core.notices import Severity, What
from bridge.daemon import notice_text, sending, wiring
from bridge.daemon.board import FILE, Board, SchoolRow, SideRow
from bridge.daemon.catalog import Catalog
from bridge.daemon.concerns import Watch
from bridge.daemon.notices import Teller
from bridge.ports import Trouble
from bridge.settings import Settings, load
from bridge.state import guardbook, journal
from bridge.state.cutover_tables import changeover
from bridge.state.database import Database
from bridge.state.notices import remembered
from bridge.state.transaction import writing
from tests.daemon.embedded import Answer, Embedded
from tests.daemon.sinks import MailSink, Sink, WebSink, text_of
from tests.docs.pages import commands
from tests.docs.test_pages import wrong

CANARY = "Zacharias Quittenbaum"


class Bridge:
    """Schools with a state and a status file, and what is told of them; no daemon and no clock but ``now``."""

    def __init__(self, school: Embedded, settings: Settings, database: Database) -> None:
        self.school, self.settings, self.database = school, settings, database
        self.now = wiring.now()
        settings.runtime.mkdir(exist_ok=True)
        self.board = Board(settings.runtime / FILE, 1, started=self.now.isoformat())
        for one in settings.schools:
            database.school(one.code, one.kinds())
            sides = {side.value: SideRow(60.0) for side in Side}
            self.board.schools[one.code] = SchoolRow(stage="hybrid", since=self.now.isoformat(), sides=sides)
        self.teller = Teller(lambda: self.settings, database, self.board)

    async def look(self, *, minutes: float = 1, broken: dict[str, str] | None = None, times: int = 1) -> None:
        """So many looks, with these schools stopped by these errors."""
        for _ in range(times):
            self.now += timedelta(minutes=minutes)
            for code in self.board.schools:
                if message := (broken or {}).get(code):
                    self.board.fail(code, message, self.now)
                else:
                    self.board.complete(code, frozenset(Side), self.now)
            self.board.write(self.now)
            await self.teller.look(self.now)
            await self.teller.settled()

    def crash(self) -> None:
        """What only the process knew is gone."""
        self.teller = Teller(lambda: self.settings, self.database, self.board)


@contextmanager
def bridge(root: Path, notify: str, *, schools: int = 1, stage: str = "hybrid") -> Iterator[Bridge]:
    school = Embedded(root, stage=stage)
    text = school.school_file.read_text()
    for number in range(1, schools):
        (root / "schools" / f"s{number}.yaml").write_text(text.replace('"0123"', f'"{number:04}"'))
    school.config.write_text(school.config.read_text() + f"notify:\n{notify}")
    settings = load(school.config, Catalog())
    with wiring.database(settings, create=True) as database:
        yield Bridge(school, settings, database)


def target(sink: Sink, more: str = "", name: str = "it") -> str:
    assert isinstance(sink, MailSink)
    return f'  - {{name: {name}, url: "{sink.url}", after: 5m{more}}}\n'


BROKEN = {"0123": f"the folder of {CANARY} can't be read"}


async def test_a_trouble_is_one_mail_and_its_end_another(tmp_path: Path) -> None:
    with MailSink() as sink, bridge(tmp_path, target(sink)) as one:
        await one.look(broken=BROKEN, times=10)
        assert len(sink.mails) == 1
        assert "0123" in sink.subjects()[0]
        await one.look(times=12)
        assert [subject.count("over: ") for subject in sink.subjects()] == [0, 1]
        keys = {re.search(r"SB-\w+", subject)[0] for subject in sink.subjects()}  # type: ignore[index]
        assert len(keys) == 1
        with one.database.read() as connection:
            rows = [row.entry for row in journal.read(connection, "0123") if row.entry.action == "tell"]
        assert [row.outcome for row in rows] == ["told", "over"]


async def test_what_is_not_taken_is_sent_again_and_status_shows_it(tmp_path: Path) -> None:
    with MailSink() as sink, bridge(tmp_path, target(sink)) as one:
        sink.refuse = 2
        await one.look(broken=BROKEN, times=6)
        assert (len(sink.mails), sink.asked) == (0, 1)
        one.board.write(one.now)
        told = json.loads((one.settings.runtime / FILE).read_text())["telling"]["it"]
        assert told["why"] == "the mail server answered with 451"
        await one.look(broken=BROKEN, times=4)
        assert (len(sink.mails), sink.asked) == (1, 3), "with growing gaps, then it went"
        assert one.board.telling == {}


async def test_what_keeps_the_bridge_from_looking_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(CANARY)

    with MailSink() as sink, bridge(tmp_path, target(sink).replace("5m", "1s")) as one:
        with monkeypatch.context() as patch:
            patch.setattr(one.teller._watch, "concerns", broken, raising=False)
            one.teller.start()
            await _until(lambda: "it" in one.board.telling)
            assert one.board.telling["it"]["why"] == "an internal error (RuntimeError)"
            one.teller._watch = Watch()
            await _until(lambda: not one.board.telling)
        await one.teller.stop()


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to that")


async def test_a_new_configuration_is_tried_at_once(tmp_path: Path) -> None:
    with MailSink() as sink, bridge(tmp_path, target(sink)) as one:
        sink.refuse = 100
        await one.look(broken=BROKEN, times=24)
        assert set(one.board.telling) == {"it"}
        sink.refuse = 0
        text = one.school.config.read_text()
        one.school.config.write_text(text.replace("name: it", "name: staff"))
        one.settings = load(one.school.config, Catalog())
        await one.look(broken=BROKEN)
        assert (one.board.telling, set(remembered(one.database)[0])) == ({}, {"staff"})
        one.school.config.write_text(text)
        one.settings = load(one.school.config, Catalog())
        await one.look(broken=BROKEN, times=7)
        assert len(sink.mails) == 1


async def test_another_place_of_the_status_is_no_dead_daemon(tmp_path: Path) -> None:
    """It changes at the next start only."""
    with MailSink() as sink, bridge(tmp_path, target(sink)) as one:
        one.settings = replace(one.settings, bridge=one.settings.bridge.model_copy(update={"runtime": "elsewhere"}))
        await one.look(times=12)
        assert sink.mails == []


async def test_a_send_that_a_crash_cut_off_is_sent_again(tmp_path: Path) -> None:
    with MailSink() as sink, bridge(tmp_path, target(sink)) as one:

        async def killed(*whatever: object) -> None:
            await sending.send(*whatever)  # type: ignore[arg-type]
            raise asyncio.CancelledError

        one.teller.send = killed
        await one.look(broken=BROKEN, times=6)
        assert len(sink.mails) == 1
        one.crash()
        await one.look(times=12)
        assert ["over: " in subject for subject in sink.subjects()] == [False, True]
        assert "sent late" in text_of(sink.mails[1])


async def test_a_server_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIMEOUT", 10.0)
    with MailSink() as slow, MailSink() as sink:
        slow.hang = threading.Event()
        with bridge(tmp_path, target(slow, name="slow") + target(sink)) as one:
            await one.look(broken=BROKEN, times=7)
            assert len(sink.mails) == 1
            assert "no answer" in one.board.telling["slow"]["why"]
            await one.look(broken=BROKEN, times=20)
            assert slow.asked == 1, "nothing more is begun while it hangs"
            slow.hang.set()
            telling = [subject for subject in sink.subjects() if "slow" in subject]
            assert len(telling) == 1, "the other one hears of it"


async def test_many_schools_with_one_trouble_are_one_mail(tmp_path: Path) -> None:
    with MailSink() as sink, bridge(tmp_path, target(sink), schools=8) as one:
        everybody = dict.fromkeys(one.board.schools, "the domain is not reachable")
        await one.look(broken=everybody, times=7)
        assert len(sink.mails) == 1
        body = text_of(sink.mails[0])
        assert all(code in body for code in everybody)
        await one.look(times=12)
        assert len(sink.mails) == 2


async def test_a_ticket_of_many_schools_is_over_with_the_last_one(tmp_path: Path) -> None:
    with WebSink() as sink:
        (tmp_path / "hook").touch(0o600)
        (tmp_path / "hook").write_text(f"http://127.0.0.1:{sink.port}/hook")
        with bridge(tmp_path, '  - {name: web, url: "file:hook", after: 5m}\n', schools=4) as one:
            broken = dict.fromkeys(one.board.schools, "the domain is not reachable")
            await one.look(broken=broken, times=7)
            del broken["0001"]
            await one.look(broken=broken, times=7)
            await one.look(times=12)
        assert [post["state"] for post in sink.posts] == ["open", "open", "open", "over"]
        assert "it goes on at other schools: 3" in next(
            post["message"] for post in sink.posts if "over: " in post["title"]
        )
        assert len({post["key"] for post in sink.posts}) == 1


async def test_a_digest_is_one_mail_a_day_and_what_is_critical_comes_at_once(tmp_path: Path) -> None:
    with MailSink() as sink, MailSink() as loud:
        notify = target(sink, ', at_least: notice, digest: "07:00"') + target(loud, ", at_least: critical", "loud")
        with bridge(tmp_path, notify, schools=2) as one:
            one.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
            one.database.clock = lambda: one.now
            await one.look()
            store = one.database.school("0123", one.settings.schools[0].kinds())
            store.move_stage("rehearsing", event="withdraw", actor="a", reason="r")
            store.move_stage("hybrid", event="mirror", actor="a", reason="r")
            for code in ("0123", "0001"):
                with writing(one.database, code) as tx:
                    guardbook.hold(tx, [_held("guard:delete", one.now)])
            await one.look(minutes=30, times=34)
            assert sink.mails == []
            await one.look(minutes=30, times=24)
            assert len(sink.mails) == 1, sink.subjects()
            body = text_of(sink.mails[0])
            assert body.count("held until somebody decides (too much at once): 1") == 4, "in title and text, of two"
            assert "→ rehearsing" in body
            assert "rehearsing → hybrid" in body
            await one.look(broken=BROKEN, times=20)
            assert (len(sink.mails), len(loud.mails)) == (2, 1)
            assert "critical" in sink.subjects()[1]


async def test_a_cutover_that_is_held_up_is_critical(tmp_path: Path) -> None:
    with MailSink() as sink, bridge(tmp_path, target(sink, ", at_least: critical")) as one:
        one.database.school("0123", one.settings.schools[0].kinds()).move_stage(
            "freezing", event="freeze", actor="a", reason="r"
        )
        row = {"id": "r1", "actor": CANARY, "step": "verify", "problem": f"{CANARY} has files open", "attempts": 3}
        times = {"started": one.now, "step_at": one.now, "deadline": one.now + timedelta(hours=1)}
        with one.database.write() as connection:
            connection.execute(changeover.insert().values(school="0123", **row, **times))
        await one.look(times=7)
        assert ["cutover is held up" in subject for subject in sink.subjects()] == [True]
        await one.look(times=30)
        assert ["school is frozen" in subject for subject in sink.subjects()] == [False, True]
        assert CANARY not in "".join(map(text_of, sink.mails))
        with one.database.write() as connection:
            connection.execute(changeover.update().values(ended=one.now, outcome="deadline passed"))
        await one.look(times=7)
        assert sum("over: " in subject for subject in sink.subjects()) == 2


async def test_a_target_hears_of_its_own_schools_only(tmp_path: Path) -> None:
    with MailSink() as mine, MailSink() as other:
        first = target(mine, ', schools: ["0123"]', "mine")
        with bridge(tmp_path, first + target(other, ', schools: ["0001"]', "other"), schools=2) as one:
            await one.look(broken=BROKEN, times=7)
            assert (len(mine.mails), len(other.mails)) == (1, 0)


async def test_a_stage_that_changes_is_news_once(tmp_path: Path) -> None:
    with MailSink() as sink, MailSink() as loud:
        notify = target(sink, ", at_least: notice") + target(loud, ", at_least: critical", "loud")
        with bridge(tmp_path, notify) as one:
            store = one.database.school("0123", one.settings.schools[0].kinds())
            store.move_stage("hybrid", event="mirror", actor=CANARY, reason="before anybody was told")
            await one.look()
            store.move_stage("freezing", event="freeze", actor=CANARY, reason=f"agreed with {CANARY}")
            await one.look(times=3)
            store.move_stage("hybrid", event="deadline", actor="bridge", reason="late")
            one.crash()
            await one.look(times=3)
            assert [re.sub(r" \(.*", "", one) for one in sink.subjects()] == [
                "[schoolbridge] notice: 0123: stage hybrid → freezing",
                "[schoolbridge] critical: 0123: stage freezing → hybrid: deadline passed, rolled back by itself",
            ]
            assert len(loud.mails) == 1


async def test_no_name_leaves_the_school(tmp_path: Path) -> None:
    """Every text that holds a name inside the bridge, and every kind of letter."""
    with MailSink() as sink, MailSink() as german:
        notify = target(sink, ", at_least: notice") + target(german, ", at_least: notice, language: de", "de")
        with bridge(tmp_path, notify) as one:
            store = one.database.school("0123", one.settings.schools[0].kinds())
            with writing(one.database, "0123") as tx:
                for rule in ("guard:delete", f"failed:{CANARY}", f"{CANARY}: soon", "correlate:disputed"):
                    guardbook.hold(tx, [_held(rule, one.now)])
            one.board.schools["0123"].warned = {"school": [CANARY]}
            store.begin_cycle("c1", now=one.now)
            store.end_cycle("c1", outcome="quiet", counts={"warned": {"school": [CANARY]}}, now=one.now)
            one.board.configuration_error, one.board.configuration_since = CANARY, one.now.isoformat()
            await one.look()
            store.move_stage("rehearsing", event="withdraw", actor=CANARY, reason=CANARY)
            await one.look(broken=BROKEN, times=20)
            one.board.configuration_error = ""
            store.unhold("")
            store.end_cycle("c1", outcome="quiet", counts={}, now=one.now)
            await one.look(times=60)
            mails = [*sink.mails, *german.mails]
            assert len(mails) >= 12
            everything = "".join(f"{mail.as_string()}{text_of(mail)}" for mail in mails)
            assert "Zacharias" not in everything
            assert "Quittenbaum" not in everything
            troubles, news = remembered(one.database)
            assert CANARY not in repr((troubles, news))
            assert "Angehalten" in everything
            assert "held until somebody decides (other)" in everything


def _held(rule: str, at: datetime) -> Trouble:
    link = f"link of {CANARY} {rule}"
    return Trouble(link, "user", Side.CLOUD, Action.DELETE, CANARY, rule, f"{CANARY} would be deleted", at)


async def test_a_webhook_gets_the_key_and_its_secret_stays_one(tmp_path: Path) -> None:
    with WebSink() as sink:
        secret = tmp_path / "hook"
        secret.touch(0o600)
        secret.write_text(f"http://127.0.0.1:{sink.port}/hook/geheim-0815\n")
        with bridge(tmp_path, '  - {name: web, url: "file:hook", after: 5m}\n') as one:
            sink.refuse = 1
            await one.look(broken=BROKEN, times=10)
            (post,) = sink.posts
            assert post["path"] == "/hook/geheim-0815"
            assert (post["severity"], post["state"], post["type"]) == ("warning", "open", "warning")
            assert post["key"] in post["title"]
            sink.location = f"http://127.0.0.1:{sink.port}/elsewhere"
            await one.look(times=8)
            assert "307" in one.board.telling["web"]["why"]
            assert len(sink.posts) == 1, "a redirect is not followed"
            kept = (one.settings.runtime / FILE).read_text() + repr(remembered(one.database))
            said = await asyncio.to_thread(one.school.start, "--verbose", "notify", "test", "web")
    assert "307" in said.err
    assert "geheim" not in kept + said.out + said.err


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mailto://it:geheim@mail.example?to=a@b.example", "unencrypted"),
        ("http://it:geheim@hook.example/x", "unencrypted"),
        ("mailto://mail.example?to=a@b.example&user=it&pass=geheim", "unencrypted"),
        ("mailtos://it:geheim@mail.example?to=a@b.example&mode=insecure", "unencrypted"),
        ("mailto://it:geheim@localhost?to=a@b.example&smtp=mail.example", "unencrypted"),
        ("http://hook.example/x?user=it&pass=geheim", "unencrypted"),
        ("https://hook.example/geheim?verify=no", "certificate"),
        ("https://hook.example/geheim?verify=off", "certificate"),
        ("https://hook.example/geheim?redirect=yes", "another"),
        ("nonsense://geheim", "its URL"),
        ("geheim", "its URL"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_without_being_shown(tmp_path: Path, url: str, why: str) -> None:
    answer = _trial(tmp_path, url)
    assert answer.code == 1
    assert why in answer.err
    assert "geheim" not in answer.err + answer.out


def _trial(root: Path, url: str) -> Answer:
    school = Embedded(root)
    (root / "hook").touch(0o600)
    (root / "hook").write_text(url)
    school.config.write_text(school.config.read_text() + 'notify: [{name: it, url: "file:hook"}]\n')
    return school.run("notify", "test", "it")


def test_check_tells_of_a_url_that_can_not_be_read(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.config.write_text(school.config.read_text() + 'notify: [{name: it, url: "env:NOTHING"}]\n')
    answer = school.run("check")
    assert (answer.code, "NOTHING is not set" in answer.out) == (1, True)
    school.extra["NOTHING"] = "mailtos://a:geheim@mail.example?to=b@c.example"
    answer = school.run("check", "--json")
    assert (answer.code, answer.json["notify"][0]["ok"]) == (0, True)
    assert "geheim" not in answer.out


def test_a_trial_is_honest(tmp_path: Path) -> None:
    with MailSink() as sink:
        answer = _trial(tmp_path, sink.url)
        assert (answer.code, len(sink.mails)) == (0, 1)
        assert "trial" in sink.subjects()[0]


def test_a_trial_of_nobody_says_who_there_is(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    assert "add `notify`" in school.run("notify", "test", "it").err
    school.config.write_text(school.config.read_text() + 'notify: [{name: it, url: "env:NOTHING"}]\n')
    assert "known here: it" in school.run("notify", "test", "ti").err
    answer = school.run("notify", "test", "it")
    assert (answer.code, "NOTHING is not set" in answer.err) == (1, True)
    assert school.run("notify", "list", "--json").json["targets"][0]["open"] == []


def test_every_command_that_a_message_names_exists() -> None:
    texts: list[Any] = [one for pair in notice_text._KINDS.values() for words in pair for one in words]
    found = [words for text in texts for words in commands(f"`{text.partition(': ')[2]}`")]
    assert len(found) >= 10
    filled = [[one.format(code="0123", subject="it") for one in words] for words in found]
    assert {" ".join(words): error for words in filled if (error := wrong(words))} == {}


def test_every_letter_has_words_for_its_severity() -> None:
    assert set(notice_text._SEVERITY) == set(Severity)
    assert set(notice_text._WHAT) == set(What)
