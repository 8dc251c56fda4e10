"""``leavers``, ``hold`` and ``unhold`` by the real command, on two sides in files; receipts signed and checked."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pypdf import PdfReader

from bridge.daemon import wiring
from connectors.memory.side import State
from tests.daemon.embedded import Embedded, person

NOW = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(wiring, "now", one)
    return one


@pytest.fixture
def bridge(tmp_path: Path, clock: Clock) -> Embedded:
    one = Embedded(tmp_path, more="leavers: {pupil: {disable: 2d, retire: 30d}}\n")
    one.fill(3)
    one.run("sync")
    with one.school.changing() as side:
        side.delete(one.people[0])
    one.run("sync")
    return one


def row(bridge: Embedded) -> dict[str, object]:
    answer = bridge.run("leavers", "0123", "--json")
    assert answer.code == 0, answer.err
    (found,) = answer.json["leavers"]
    return dict(found)


def day(clock: Clock, days: float) -> str:
    return f"{NOW + timedelta(days=days):%Y-%m-%d}"


def test_each_state_with_its_next_step_and_date(bridge: Embedded, clock: Clock) -> None:
    found = row(bridge)
    assert (found["state"], found["role"], found["next"], str(found["next_at"])[:10]) == (
        "tolerated", "pupil", "disable", day(clock, 2),
    )  # fmt: skip
    clock.pass_(days=2)
    bridge.run("sync")
    found = row(bridge)
    assert (found["state"], found["next"], str(found["next_at"])[:10]) == ("disabled", "delete", day(clock, 32))
    clock.pass_(days=30)
    bridge.run("sync")
    found = row(bridge)
    assert (found["state"], found["next"], str(found["next_at"])[:10]) == ("retired", "purge", day(clock, 62))
    assert found["by"] == "the cloud's recycle bin"
    drawn = bridge.run("leavers", "0123")
    assert "retired" in drawn.out
    assert day(clock, 62) in drawn.out
    assert "nobody is leaving" not in drawn.out


def test_a_hold_is_shown_everywhere_and_gives_its_time_back(bridge: Embedded, clock: Clock) -> None:
    clock.pass_(days=2)
    bridge.run("sync")
    clock.pass_(days=10)
    answer = bridge.run("hold", "0123", "R0", "--until", "2026-12-11", "--reason", "exam", "--json")
    assert answer.code == 0, answer.err
    held = datetime.fromisoformat(answer.json["until"]) - clock.now  # to the end of that day in Berlin
    link = answer.json["link"]
    assert str(row(bridge)["next_at"])[:19] == f"{NOW + timedelta(days=32) + held:%Y-%m-%dT%H:%M:%S}"
    assert bridge.run("quarantine", "--json").json["people_held"][0]["link"] == link
    explained = bridge.run("explain", "user", link)
    assert "leaving: disabled" in explained.out
    assert "held (exam) until 2026-12-11" in explained.out
    clock.pass_(days=60)
    bridge.run("sync")
    assert row(bridge)["state"] == "disabled"  # long over the period, but held
    assert bridge.run("unhold", "0123", link, "--note", "passed").code == 0
    bridge.run("sync")
    assert str(row(bridge)["next_at"])[:10] == day(clock, 32 + 60)
    clock.pass_(days=20)
    bridge.run("sync")
    assert row(bridge)["state"] == "retired"
    actions = [one["action"] for one in bridge.run("journal", "show", "--link", link, "--json").json["rows"]]
    assert [one for one in actions if "hold" in one] == ["hold person", "lift hold"]
    assert bridge.run("unhold", "0123", link).code == 1


def test_back_before_the_end_with_the_same_account(bridge: Embedded, clock: Clock) -> None:
    clock.pass_(days=40)
    bridge.run("sync")
    clock.pass_(days=31)
    bridge.run("sync")
    bridge.cloud.refresh()
    before = {one.anchor: one.state for one in bridge.cloud.side.entries.values() if one.kind == "user"}
    assert State.DELETED in before.values()
    with bridge.school.changing() as side:
        side.create("user", person(0))  # enrolled again: a new account at the school, the same reference
    bridge.run("sync")
    bridge.cloud.refresh()
    after = {one.anchor: one.state for one in bridge.cloud.side.entries.values() if one.kind == "user"}
    assert after == dict.fromkeys(before, State.ALIVE)
    assert "nobody is leaving" in bridge.run("leavers", "0123").out


def test_a_hold_can_t_stop_the_cloud_s_own_recycle_bin_and_says_so(bridge: Embedded, clock: Clock) -> None:
    clock.pass_(days=2)
    bridge.run("sync")
    clock.pass_(days=30)
    bridge.run("sync")
    answer = bridge.run("hold", "0123", "R0", "--until", "2027-01-31", "--reason", "legal")
    assert answer.code == 0
    assert re.search(r"empties by itself about 2026-11-02\..*bring the person back", answer.out, re.S)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("R0", "--until", "soon", "--reason", "exam"), "write the last day of the hold like 2027-01-31"),
        (("R0", "--until", "2026-08-01", "--reason", "exam"), "is over"),
        (("R0", "--until", "2126-08-01", "--reason", "exam"), "more than ten years"),
        (("nobody", "--until", "2027-01-31", "--reason", "exam"), "nobody is known by"),
        (("Anna", "--until", "2027-01-31", "--reason", "exam"), "fits 3 people"),
    ],
)
def test_a_mistake_holds_nobody(bridge: Embedded, words: tuple[str, ...], said: str) -> None:
    answer = bridge.run("hold", "0123", *words)
    assert answer.code == 1
    assert said in answer.err
    assert bridge.run("quarantine", "--json").json["people_held"] == []


@pytest.mark.parametrize(("language", "title"), [("de", "Löschbelege"), ("en", "Receipts of deletion")])
def test_receipts_are_signed_printed_and_checked(bridge: Embedded, clock: Clock, language: str, title: str) -> None:
    for days in (2, 30):
        clock.pass_(days=days)
        bridge.run("sync")
    pdf = bridge.root / "run.pdf"
    answer = bridge.run("leavers", "0123", "--receipts", "--out", str(pdf), "--language", language, "--json")
    assert answer.code == 0, answer.err
    assert [(one["step"], one["rule"].partition(";")[0]) for one in answer.json["receipts"]] == [
        ("disable", "user.pupil: disable after 2 days"),
        ("delete", "user.pupil: delete after 30 days"),
    ]
    text = "\n".join(page.extract_text() for page in PdfReader(pdf).pages)
    assert title in text
    assert answer.json["receipts"][1]["link"] in "".join(text.split())
    assert "Anna" not in text  # ids, not names
    signed = pdf.with_suffix(".json")
    assert (pdf.stat().st_mode | signed.stat().st_mode) & 0o077 == 0
    assert bridge.run("leavers", "0123", "--check", str(signed)).code == 0
    tree = json.loads(signed.read_text())
    tree["report"]["receipts"].pop()
    forged = bridge.root / "forged.json"
    forged.write_text(json.dumps(tree))
    refused = bridge.run("leavers", "0123", "--check", str(forged))
    assert refused.code == 1
    assert "was changed after it was signed" in refused.err
    assert bridge.run("leavers", "0123", "--out", str(pdf)).code == 1  # never overwritten
