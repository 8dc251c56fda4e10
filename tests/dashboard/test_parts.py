"""The pure parts: bounds of a text, words of both languages, times and amounts, the order of the board, forms."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api.actions import SCOPES
from bridge.api.causes import cause_of
from bridge.api.keyring import Held
from bridge.api.models import Amounts, GateView, SchoolRow
from bridge.core.changeover import Course, Step
from bridge.core.cutover import STAGES, TRANSITIONS, Event, Gate
from bridge.core.gates import LAW, standing
from bridge.core.model import Action, Choice
from bridge.daemon.board import BEAT
from bridge.daemon.health import judge
from bridge.dashboard.acts import Amiss, action_of
from bridge.dashboard.arranged import Wanted, arrange
from bridge.dashboard.bounded import bounded
from bridge.dashboard.drawn import HEADERS
from bridge.dashboard.law import frees, ruled
from bridge.dashboard.pages import shut_in
from bridge.dashboard.requests import local
from bridge.dashboard.sayings import saying
from bridge.dashboard.sessions import DAY, IDLE, Session, Sessions
from bridge.dashboard.speech import Speech
from bridge.dashboard.told import changes, done
from bridge.dashboard.words import LANGUAGES
from bridge.engine.resolve import Decision
from bridge.state.drift import HELD, REVERTED, TAKEN
from bridge.web.app import HEADERS as PAGE_HEADERS
from tests.dashboard.district import NOW, District
from tests.dashboard.served import Tokens

BERLIN = ZoneInfo("Europe/Berlin")
GERMAN, ENGLISH = (Speech(language, BERLIN, NOW) for language in ("de", "en"))


@given(st.text(max_size=400))
def test_whatever_is_shown_is_one_short_line_without_tricks(text: str) -> None:
    shown = bounded(text, 40)
    assert len(shown) <= 40
    assert not set(shown) & set("\u202e\u2066\u2069\x00\n\r\t\x1b\u200f")
    assert bounded(shown, 40) == shown


def test_names_of_the_whole_world_stay_as_they_are() -> None:
    for name in ("Zoë Müller-Łukasiewicz", "Đặng Thị Hồng", "أحمد", "👩‍🏫 7b", "Ångström"):
        assert bounded(name) == name


def _gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_words_and_gaps() -> None:
    german, english = LANGUAGES["de"], LANGUAGES["en"]
    assert german.keys() == english.keys()
    for table, words in german.items():
        assert words.keys() == english[table].keys()
        assert {key: _gaps(text) for key, text in words.items()} == {
            key: _gaps(text) for key, text in english[table].items()
        }
        assert all(text.strip() for text in words.values())


def test_there_is_a_word_for_whatever_the_glossary_knows() -> None:
    for words in LANGUAGES.values():
        assert (
            {stage.value for stage in STAGES}
            == words["stage"].keys()
            == words["stage_meaning"].keys()
            == words["stage_next"].keys()
        )
        assert {gate.value for gate in Gate} == words["gate"].keys()
        assert {event.value for event in Event} == words["event"].keys()
        assert SCOPES.keys() == words["action"].keys() == words["action_does"].keys() == words["done"].keys()
        assert {one.value for one in Step} <= words["step"].keys() & words["step_does"].keys()
        assert {one.value for one in Course} == words["run_outcome"].keys()
        assert {action.value for action in Action} == words["action_of_plan"].keys()
        assert {"both", "school", "cloud", *Decision} == words["keep"].keys()
        assert {HELD, REVERTED, TAKEN, *Choice} == words["drift_state"].keys()
    assert {event for _, event in TRANSITIONS} <= set(Event)


def test_every_cause_of_bad_health_is_said_in_german() -> None:
    """By the sentences that the bridge really says, not by copies of them."""
    side = {"period": 300, "complete": (NOW - timedelta(hours=2)).isoformat()}
    share = {
        "roots": 4, "stopped": 2, "waiting": 0, "elsewhere": 1, "places": {"L1": "x"}, "unfit": 2,
        "reasons": {"L1": "y"}, "errors": {"L1": {"error": "denied", "since": None}},
    }  # fmt: skip
    gone = {**share, "stopped": 0, "errors": {}, "waiting": 4, "elsewhere": 0, "unfit": 0}
    row = {
        "moved": (NOW - timedelta(minutes=5)).isoformat(),
        "sides": {"school": side, "cloud": {"period": 300, "complete": None}},
        "shares": {"homes": share, "away": gone}, "since": NOW.isoformat(),
    }  # fmt: skip
    tree = {"beat": NOW.isoformat(), "schools": {"1": row}, "configuration_error": "x"}
    late = {"beat": (NOW - timedelta(seconds=7 * BEAT)).isoformat(), "schools": {"1": row}}
    found = [
        *judge(tree, "1", NOW, held=3).causes, *judge(None, "1", NOW).causes, *judge(late, "1", NOW).causes,
        *judge(tree, "2", NOW).causes, *judge(tree, "1", NOW, owed=1).causes,
    ]  # fmt: skip
    assert len(found) > 10
    assert [one.text for one in found if saying(one.text, "de").language != "de"] == []
    assert saying("something new", "de").language == "en"


def test_times_and_amounts_are_said_in_words() -> None:
    assert GERMAN.age(NOW - timedelta(minutes=4)) == "vor 4 Min."
    assert ENGLISH.age(NOW - timedelta(hours=50)) == "2 days ago"
    assert ENGLISH.ahead(NOW - timedelta(seconds=1)) == "due now"
    assert GERMAN.moment(NOW) == "heute 10:42"
    assert ENGLISH.moment(datetime(2027, 3, 1, 23, 30, tzinfo=UTC)) == "Tue 2 Mar 2027, 00:30"
    assert (GERMAN.size(0), GERMAN.size(1_234_567), ENGLISH.size(999_999_999_999)) == ("0 B", "1,2 MB", "1000 GB")
    assert (GERMAN.count(1234567), ENGLISH.count(1234567)) == ("1.234.567", "1,234,567")


def test_a_progress_is_full_only_when_all_is_done() -> None:
    assert ENGLISH.part(Amounts(files=999_999, files_total=1_000_000, bytes=10, bytes_total=10)) == 99
    assert ENGLISH.part(Amounts(files=3, files_total=3, bytes=10, bytes_total=10)) == 100
    assert ENGLISH.part(Amounts()) == 0


def test_an_end_is_always_a_range() -> None:
    first, last = NOW + timedelta(hours=5), NOW + timedelta(hours=30)
    assert (
        ENGLISH.range(Amounts(earliest_end=first, latest_end=last))
        == "through between today 15:42 and Tue 1 Dec, 16:42"
    )
    assert "earliest" in ENGLISH.range(Amounts(earliest_end=first))
    assert "spätestens" in GERMAN.range(Amounts(latest_end=last))
    assert ENGLISH.range(Amounts()) == ENGLISH.words["end_unknown"]


async def test_the_board_is_grouped_counted_and_filtered() -> None:
    rows: list[SchoolRow] = [*await District().board()]
    whole = arrange(rows, Wanted())
    assert [group.name for group in whole.groups] == ["Pilot", "Welle 2", "Welle 3", "Welle 4"]
    assert sum(len(group.rows) for group in whole.groups) == whole.total == whole.shown == 41
    for group in whole.groups:
        order = [("red", "amber", "green").index(row.health) for row in group.rows]
        assert order == sorted(order)
    red = arrange(rows, Wanted.of({"health": "red", "by": "stage"}))
    assert (red.shown, red.total, red.health["green"]) == (3, 41, 33)
    assert [group.name for group in red.groups] == ["observing", "hybrid"]
    assert Wanted.of({"health": "purple", "by": "colour"}) == Wanted()
    assert arrange(rows, Wanted(text="GYMNASIUM AM")).shown == 3
    assert Wanted(health="red").query(health="red") == "/"
    assert Wanted(text="a&b").query(stage="hybrid") == "/?q=a%26b&stage=hybrid"


def test_a_form_becomes_an_action() -> None:
    form = {
        "action": "schedule",
        "reason": " the week after the exams ",
        "at": "2026-12-01T14:30",
        "token": "x",
        "to": "cutover",
        "link": "",
    }
    action = action_of(form, "0123", BERLIN)
    assert (action.at, action.reason, action.link) == (
        datetime(2026, 12, 1, 13, 30, tzinfo=UTC),
        "the week after the exams",
        None,
    )
    whole = action_of({"action": "waive-gate", "reason": "agreed", "expires": "2026-12-01"}, "0123", BERLIN)
    assert whole.expires == datetime(2026, 12, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ({"reason": "x"}, "reason_short"), ({"at": "tomorrow"}, "time_wrong"),
        ({"at": "2027-03-28T02:30"}, "time_none"),
        ({"at": "2026-10-25T02:30"}, "time_twice"), ({"action": "drop"}, "field_wrong"),
        ({"action": "finalise", "typed": "0124"}, "code_wrong"),
        ({"action": "finalise"}, "code_wrong"),
        ({"surprise": "1"}, "field_wrong"),
        ({"link": "x" * 500}, "field_wrong"),
    ],
)  # fmt: skip
def test_a_form_that_makes_no_sense_is_refused_in_words(form: dict[str, str], word: str) -> None:
    with pytest.raises(Amiss) as refused:
        action_of({"action": "schedule", "reason": "because", **form}, "0123", BERLIN)
    assert refused.value.word == word
    assert GERMAN.fill(word, **refused.value.values)


def test_after_logging_in_nobody_is_sent_elsewhere() -> None:
    for path in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "",
        "/a\r\nX: 1",
        "/login",
        "javascript:1",
        "/live",
    ):
        assert local(path) == "/"
    assert local("/school/0123?part=held") == "/school/0123?part=held"


async def test_a_session_ends_by_itself_and_with_its_token() -> None:
    now = [NOW]
    tokens = Tokens()
    tokens.make("acts")
    tokens.make("looks", frozenset({"read"}))
    tokens.make("blind", frozenset({"operate"}))
    sessions = Sessions(tokens, lambda: now[0])
    assert await sessions.begin("wrong") is None
    assert await sessions.begin("blind") is None, "without `read` there is nothing to see"
    acting, looking = await sessions.begin("acts"), await sessions.begin("looks")
    assert acting is not None
    assert looking is not None
    now[0] += IDLE - timedelta(seconds=1)
    assert await sessions.find(acting[0], touch=True)
    now[0] += IDLE - timedelta(seconds=1)
    assert await sessions.find(acting[0], touch=False)
    now[0] += timedelta(seconds=2)
    assert await sessions.find(acting[0], touch=True) is None, "half an hour without a click"
    now[0] += DAY
    assert await sessions.find(looking[0], touch=False), "a screen on a wall stays"
    tokens.revoked.add("id-looks")
    assert await sessions.find(looking[0], touch=True) is None
    assert await sessions.find("", touch=True) is None
    assert looking[0] not in repr(sessions.__dict__), "the cookie itself is not kept"


def test_a_double_click_does_nothing_twice() -> None:
    session = Session(Held("a", None, NOW), NOW, NOW)  # type: ignore[arg-type]
    form = {"action": "pause", "reason": "lunch"}
    assert not session.twice(form, NOW)
    assert session.twice(dict(reversed(form.items())), NOW + timedelta(seconds=3))
    assert not session.twice({**form, "reason": "dinner"}, NOW)
    session.forget(form)
    assert not session.twice(form, NOW)


def test_a_report_is_shut_in() -> None:
    policy = shut_in(b"<style>body { color: red }</style><script>alert(1)</script>")
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "unsafe" not in policy + HEADERS["Content-Security-Policy"] + PAGE_HEADERS["Content-Security-Policy"]


def test_every_cause_and_remedy_of_what_is_held_is_said_in_german() -> None:
    for rule in (
        "consent",
        "stage",
        "guard:delete",
        "guard:empty",
        "correlate:disputed",
        "year:open",
        "waits:busy",
        "failed:x",
    ):
        for text in cause_of(rule):
            assert GERMAN.cause(rule, text).language == "de", text


def test_a_release_is_offered_for_what_it_frees_only() -> None:
    """For anything else it would do nothing now, and let the object pass the guard some other day."""
    for rule in ("guard:delete", "guard:missing", "guard:empty", "missing-cloud", "left-school", "year"):
        assert frees(rule), rule
    for rule in ("stage", "consent", "capability", "correlate:disputed", "refused:upn", "failed:quota", "waits:busy"):
        assert not frees(rule), rule


def test_what_a_gate_says_of_itself_is_said_in_german() -> None:
    """By what the gates really say while nothing was measured."""
    for gate in Gate:
        one = standing(gate, None, None, NOW)
        assert [text for text in (one.found, one.fix, one.person) if saying(text, "de").language != "de"] == []
        view = GateView(gate=gate.value, result="unknown", expected=one.expected)
        german, english = (ruled(view, stage="hybrid", language=language) for language in ("de", "en"))
        assert german.meaning != english.meaning
        assert german.view.expected == ""
        assert (german.attest, german.waive) == (LAW[gate].attest, LAW[gate].waive)
    unheard = GateView(gate="something new", result="fail")
    assert (
        ruled(unheard, stage="hybrid", language="de").waive,
        ruled(unheard, stage="hybrid", language="de").meaning,
    ) == (False, "")


def test_the_journal_is_told_as_changes_and_a_cycle_as_what_was_done() -> None:
    names = {
        "before.upn": "None",
        "after.upn": "a@b",
        "before.stage": "classic",
        "after.stage": "hybrid",
        "before.x": "None",
        "message": "m",
    }
    assert changes(names) == [("upn", "", "a@b"), ("stage", "classic", "hybrid"), ("message", "", "m")]
    counts = {"warnings": 0, "observed.school": 4, "planned.user:create": 3, "executed.user:create": 1200, "held": 2}
    assert done(counts, ENGLISH) == ["1,200 users: created", "4 changes seen at the school", "2 held"]
    assert done({"observed.cloud": 0}, GERMAN) == []
