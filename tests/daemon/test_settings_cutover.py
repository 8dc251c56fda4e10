"""Waves, blackouts and who is told, as people write them: what is wrong is said with its place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.daemon.catalog import Catalog
from bridge.settings import Settings, SettingsError, load
from tests.daemon.embedded import Embedded


def loaded(root: Path, more: str, *, school: str = "") -> Settings:
    one = Embedded(root, more=school)
    text = one.school_file.read_text()
    (root / "schools" / "b.yaml").write_text(text.replace('"0123"', '"0456"'))
    one.config.write_text(one.config.read_text() + more)
    return load(one.config, Catalog())


def problems(root: Path, more: str) -> list[str]:
    with pytest.raises(SettingsError) as found:
        loaded(root, more)
    return [str(one).partition(f"{root}/")[2] for one in found.value.problems]


def test_waves_as_they_are_meant(tmp_path: Path) -> None:
    text = """\
waves:
  - {name: pilot, schools: ["0456"], not_before: "2026-10-25", pause: 7 days}
  - {name: everybody else, schools: rest, stop_after: 3}
"""
    pilot, rest = loaded(tmp_path, text).waves
    assert (pilot.schools, rest.schools) == (("0456",), ("0123",))
    assert (pilot.stop_after, rest.stop_after) == (1, 3)
    assert pilot.not_before == datetime(2026, 10, 24, 22, 0, tzinfo=UTC)


def test_blackouts_are_on_the_bridges_clock_and_the_longer_one(tmp_path: Path) -> None:
    text = 'blackouts: [{from: "2026-07-27", to: "2026-09-07", reason: summer}]\n'
    mine = 'blackouts: [{from: "2026-10-25 02:30", to: "2026-10-25 02:45", reason: exams}]\n'
    calendar = loaded(tmp_path, text, school=mine).schools[0].calendar
    summer, exams = calendar.spans
    assert (summer.begins, summer.ends) == (
        datetime(2026, 7, 26, 22, 0, tzinfo=UTC),
        datetime(2026, 9, 7, 22, 0, tzinfo=UTC),
    )
    assert (exams.begins, exams.ends) == (
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 45, tzinfo=UTC),
    ), "an hour that comes twice is meant both times"


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ('waves: [{name: pilot, schools: ["0999"]}]', "waves[0].schools[0]", "no school has the code"),
        (
            'waves: [{name: a, schools: ["0123"]}, {name: b, schools: ["0123"]}]',
            "waves[1].schools[0]",
            "wave a already",
        ),
        ('waves: [{name: a, schools: ["0123"]}, {name: a, schools: rest}]', "waves[1].name", "another name"),
        ('waves: [{name: a, schools: rest}, {name: b, schools: ["0123"]}]', "waves[0].schools", "last wave"),
        ("waves: [{name: a, schools: []}]", "waves[0].schools", ""),
        ('waves: [{name: a, schools: rest, not_before: "soon"}]', "waves[0].not_before", "2026-09-14"),
        ("waves: [{name: a, schools: rest, stop_after: 0}]", "waves[0].stop_after", ""),
        ('blackouts: [{from: "2026-08-01", to: "2026-07-01", reason: sum}]', "blackouts[0]", "ends before it begins"),
        ('blackouts: [{from: "2026-08-01 10:00", to: "2026-08-01 10:00", reason: sum}]', "blackouts[0]", "ends before"),
        ('blackouts: [{from: "2026-02-30", to: "2026-07-01", reason: sum}]', "blackouts[0].from", "2026-07-27"),
        ('blackouts: [{from: "2026-08-01", to: "9999-12-31", reason: sum}]', "blackouts[0].to", "2026-07-27"),
        ('blackouts: [{from: "0001-01-01", to: "2026-07-01", reason: sum}]', "blackouts[0].from", "2026-07-27"),
        ('blackouts: [{from: "2026-08-01T10:00Z", to: "2026-09-01", reason: sum}]', "blackouts[0].from", "time zone"),
        ("blackouts: [{from: 2026-08-01, to: 2026-09-01, reason: sum}]", "blackouts[0].from", "quote it"),
        ('notify: [{name: it, url: "https://hook.example/geheim"}]', "notify[0].url", "as good as a password"),
        ('notify: [{name: it, url: "mailto://a:geheim@m.example"}]', "notify[0].url", "a password stands"),
        ('notify: [{name: it, url: "mailto://m.example?pass=geheim"}]', "notify[0].url", "a password stands"),
        ('notify: [{name: it, url: "env:X"}, {name: it, url: "env:X"}]', "notify[1].name", "another name"),
        ('notify: [{name: it, url: "env:X", schools: ["0999"]}]', "notify[0].schools[0]", "no school has the code"),
        ('notify: [{name: it, url: "env:X", subject: "{key} {name}"}]', "notify[0].subject", "no such word"),
        ('notify: [{name: it, url: "env:X", subject: "{key.a} x"}]', "notify[0].subject", "no such word"),
        ('notify: [{name: it, url: "env:X", subject: "{key} {count:>9999999}"}]', "notify[0].subject", "no such word"),
        ('notify: [{name: it, url: "env:X", subject: "{title}"}]', "notify[0].subject", "{key} is missing"),
        ('notify: [{name: it, url: "env:X", subject: "{key} {"}]', "notify[0].subject", "braces"),
        ('notify: [{name: it, url: "env:X", at_least: loud}]', "notify[0].at_least", ""),
        ('notify: [{name: it, url: "env:X", quiet: {from: "22:00", to: "22:00"}}]', "notify[0].quiet", "always"),
        ('notify: [{name: it, url: "env:X", after: 2 days}]', "notify[0]", "longer than a day"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, where: str, why: str) -> None:
    found = problems(tmp_path, f"{text}\n")
    assert [one for one in found if f" {where}: " in one and why in one], found
    assert all("geheim" not in one for one in found)
    assert len(found) <= 2, found


@pytest.mark.parametrize(
    ("begins", "ends", "quiet"),
    [("22:00", "06:00", ["22:00", "23:59", "00:00", "05:59"]), ("12:00", "14:00", ["12:00", "13:59"])],
)
def test_quiet_hours_may_go_over_midnight(tmp_path: Path, begins: str, ends: str, quiet: list[str]) -> None:
    text = f'notify: [{{name: it, url: "env:X", quiet: {{from: "{begins}", to: "{ends}"}}}}]\n'
    found = loaded(tmp_path, text).bridge.notify[0].quiet
    assert found is not None
    every = [datetime(2026, 10, 25, hour, minute, tzinfo=UTC) for hour in range(24) for minute in (0, 59)]
    held = [f"{at:%H:%M}" for at in every if found.holds(at)]
    assert set(quiet) <= set(held)
    assert not {ends, "11:59", "14:00", "21:59"} & set(held)
