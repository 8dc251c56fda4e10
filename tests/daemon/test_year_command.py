"""The command ``year`` as an administrator types it, between two files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from bridge.core.year import GroupTurn, PersonTurn, Why
from bridge.letters.year_text import YEAR_WORDS
from tests.daemon.embedded import Embedded

CLASSES = {"5a": range(10), "6a": range(10, 20), "7a": range(20, 30)}


def pupil(number: int, **changes: Any) -> dict[str, Any]:
    name = {"given_name": "Zoë", "surname": f"Öztürk-{number}", "display_name": f"Zoë Öztürk-{number}"}
    more = {"source_anchor": f"R{number}", "enabled": True, "role": "pupil", "consent": True}
    return {**name, **more, "login": f"zoe{number}", "upn_base": f"zoe{number}", **changes}


@pytest.fixture
def school(tmp_path: Path) -> Embedded:
    one = Embedded(tmp_path)
    with one.school.changing() as side:
        one.people = [side.create("user", pupil(number)) for number in range(30)]
        for name, numbers in CLASSES.items():
            members = frozenset(one.people[number] for number in numbers)
            fields = {"source_anchor": f"G{name}", "display_name": name, "nickname_base": name, "role": "class"}
            side.create("group", {**fields, "members": members}, anchor=f"G{name}")
    assert one.run("sync").code == 0
    return one


def promote(one: Embedded) -> None:
    """5a to 6a, 6a to 7a in groups that are filled anew; 7a leaves, one repeats, two are new in 5a."""
    with one.school.changing() as side:
        new = [side.create("user", pupil(number)) for number in (90, 91)]
        people = one.people
        side.change("G7a", {"members": frozenset(people[10:20])})
        side.change("G6a", {"members": frozenset(people[:9])})
        side.change("G5a", {"members": frozenset({*new, people[9]})})
        for anchor in people[20:30]:
            side.change(anchor, {"enabled": False})


def names(one: Embedded) -> dict[str, tuple[str, frozenset[str]]]:
    """Name of a group in the cloud -> its anchor and the surnames in it."""
    one.cloud.refresh()
    side = one.cloud.side
    people = {record.anchor: str(record.fields["source_anchor"]) for record in side.records("user")}
    return {
        str(record.fields["display_name"]): (
            record.anchor,
            frozenset(people[member] for member in record.fields.get("members", frozenset())),  # type: ignore[union-attr]
        )
        for record in side.records("group")
    }


def test_the_whole_way(school: Embedded, tmp_path: Path) -> None:
    before = names(school)
    assert school.run("year", "plan", "0123").code == 0
    assert school.run("year", "open", "0123", "--reason", "August").code == 0
    assert "the school year is open" in school.run("status").out, "what waits is not healthy"
    promote(school)
    assert school.run("sync").code == 0
    assert names(school) == before, "classes wait"

    pdf = tmp_path / "plan.pdf"
    answer = school.run("year", "plan", "0123", "--out", str(pdf), "--json")
    assert answer.code == 2
    plan = answer.json
    turns = {one["key"]: one["turn"] for one in plan["people"]}
    assert (turns["R0"], turns["R9"], turns["R20"], turns["R90"]) == ("promoted", "repeats", "leaves", "new")
    became = {(g["turn"], *((g[end] or {}).get("name") for end in ("before", "after"))) for g in plan["groups"]}
    assert became == {
        ("same", "5a", "6a"), ("same", "6a", "7a"), ("dissolved", "7a", None), ("new", None, "5a"),
    }  # fmt: skip
    assert pdf.stat().st_mode & 0o777 == 0o600
    text = "".join(page.extract_text() for page in PdfReader(pdf).pages)
    for word in ("New school year", "Öztürk-9", "repeats", "9 of 9 members", "Confidential"):
        assert word in text
    assert "Öztürk-3" not in text, "who goes on with the class is counted, not listed"
    screen = school.run("year", "plan", "0123", "--language", "de").out
    assert "wiederholt" in screen
    assert "Nichts: alles ist eindeutig." in screen

    done = school.run("year", "apply", "0123", "--reason", "seen by the head", "--json").json
    assert (done["relinked"], done["archived"], done["failed"]) == (2, 1, [])
    assert school.run("sync").code == 0
    now = names(school)
    assert now["6a"] == (before["5a"][0], frozenset(f"R{n}" for n in range(9)))
    assert now["7a"] == (before["6a"][0], frozenset(f"R{n}" for n in range(10, 20)))
    archived = next(name for name in now if name.endswith(" 7a"))
    assert archived.startswith("20")
    assert now[archived] == before["7a"], "members and files stay as they were"
    assert now["5a"][1] == {"R9", "R90", "R91"}
    journal = school.run("journal", "show", "--json").json["rows"]
    mine = [row for row in journal if row["cycle"] == done["operation"]]
    assert {row["action"] for row in mine} >= {"year", "relink", "archive", "intend"}
    assert "Öztürk" not in json.dumps([row for row in mine if row["action"] in {"year", "relink", "archive"}])
    assert school.run("year", "close", "0123", "--reason", "done").code == 0
    assert school.run("year", "plan", "0123").code == 0, "nothing is left to do"
    assert "the school year" not in school.run("status").out


def test_undo(school: Embedded) -> None:
    school.run("year", "open", "0123", "--reason", "August")
    promote(school)
    school.run("sync")
    assert school.run("year", "apply", "0123", "--reason", "go").code == 0
    again = school.run("year", "apply", "0123", "--reason", "go", "--json").json
    assert (again["ok"], again["relinked"], again["archived"]) == (True, 0, 0), "names of archived groups once more"
    undone = school.run("year", "undo", "0123", "--reason", "too early")
    assert undone.code == 0
    assert school.run("year", "apply", "0123", "--reason", "go").code == 0
    with school.cloud.changing() as side:
        shown = {str(one.fields["display_name"]) for one in side.records("group")}
    assert any(name.endswith(" 7a") for name in shown)
    school.run("sync", "--full")
    again = school.run("year", "apply", "0123", "--reason", "go")
    assert (again.code, "applied already" in again.err) == (1, True)
    late = school.run("year", "undo", "0123", "--reason", "too late")
    assert (late.code, "a group of its own" in late.err) == (1, True), "5a has a new group by now"
    assert school.run("journal", "verify").code == 0


def test_undo_before_the_next_cycle_gives_everything_back(school: Embedded) -> None:
    before = names(school)
    school.run("year", "open", "0123", "--reason", "August")
    promote(school)
    school.run("sync")
    assert school.run("year", "apply", "0123", "--reason", "go").code == 0
    undone = school.run("year", "undo", "0123", "--reason", "too early", "--json").json
    assert undone["phase"] == "open"
    school.run("sync")
    assert names(school) == before, "the names of what was archived, too"
    assert school.run("year", "undo", "0123", "--reason", "again").code == 1
    assert school.run("journal", "verify").code == 0


def test_mistakes(school: Embedded, tmp_path: Path) -> None:
    for words, told in (
        (["year", "open", "0123"], "--reason"),
        (["year", "apply", "0123", "--reason", " "], "--reason"),
        (["year", "close", "0123", "--reason", "x"], "no school year is open"),
        (["year", "undo", "0123", "--reason", "x"], "nothing to undo"),
        (["year", "plan", "0123", "--choose", "6a"], "THIS=LAST"),
        (["year", "plan", "0123", "--before", "x.csv"], "--roster"),
        (["year", "plan", "0123", "--roster", str(tmp_path / "none.csv")], "none.csv"),
    ):
        answer = school.run(*words)
        assert (answer.code, told in answer.err) == (1, True), (words, answer.err)
        assert "Traceback" not in answer.err


def roster(path: Path, rows: dict[int, str], **names: str) -> Path:
    lines = [f"Zoë;{names.get(f'R{n}', f'Öztürk-{n}')};R{n};{unit};" for n, unit in rows.items()]
    path.write_text("\n".join(["Vorname;Nachname;Referenz-ID;Gruppen#Klasse;Gruppen#Kurs", *lines, ""]))
    return path


def test_a_roster(school: Embedded, tmp_path: Path) -> None:
    now = {**dict.fromkeys(range(9), "6a"), 9: "5a", **dict.fromkeys(range(10, 20), "7a"), 90: "5a"}
    file = roster(tmp_path / "now.csv", now, R3="Anders")
    old = roster(tmp_path / "old.csv", dict.fromkeys(range(29), "x"))
    before = school.school_file.parent.parent.joinpath("school.json").read_bytes()
    answer = school.run("year", "plan", "0123", "--roster", str(file), "--before", str(old), "--json")
    assert answer.code == 2, answer.err
    turns = {one["key"]: one["turn"] for one in answer.json["people"]}
    assert (turns["R28"], turns["R29"], turns["R90"]) == ("leaves", "manual", "new")
    wanted = {(one["kind"], one["action"], one["key"]): one for one in answer.json["wanted"]}
    assert wanted["user", "create", "R90"]["after"]["login"] == "zoe.oeztuerk-90"
    assert wanted["user", "update", "R3"]["after"] == {"surname": "Anders", "display_name": "Zoë Anders"}
    assert ("user", "disable", "R28") in wanted
    assert ("user", "disable", "R29") not in wanted, "nobody whom no roster brought"
    renamed = {one["before"].get("display_name"): one for one in answer.json["wanted"] if one["action"] == "update"}
    assert renamed["5a"]["after"] == {"display_name": "6a"}
    assert renamed["5a"]["removed"] == ["R9"]
    assert school.school_file.parent.parent.joinpath("school.json").read_bytes() == before
    screen = school.run("year", "plan", "0123", "--roster", str(file))
    assert "Nothing was written" in screen.out


def test_a_roster_is_carried_out_and_taken_back(school: Embedded, tmp_path: Path) -> None:
    now = {**dict.fromkeys(range(9), "6a"), 9: "5a", **dict.fromkeys(range(10, 20), "7a"), 90: "5a"}
    file = roster(tmp_path / "now.csv", now, R3="Anders")
    old = roster(tmp_path / "old.csv", dict.fromkeys(range(26), "x"))
    words = ("year", "apply", "0123", "--roster", str(file), "--reason", "August")
    before, anchors = names(school), school.accounts()
    number = len(
        school.run("year", "plan", "0123", "--roster", str(file), "--before", str(old), "--json").json["wanted"]
    )
    off = school.run(*words, "--before", str(old), "--expect", str(number + 1))
    assert (off.code, f"but {number} changes" in off.err) == (1, True)
    done = school.run(*words, "--before", str(old), "--json")
    assert done.code == 0, done.err
    assert sum(done.json["written"].values()) == number
    assert done.json["manual"] == ["R26", "R27", "R28", "R29"]
    assert school.run("sync").code == 0
    after = names(school)
    assert (after["6a"][0], after["7a"][0]) == (before["5a"][0], before["6a"][0]), "classes keep their groups"
    assert after["5a"][1] == {"R9", "R90"}
    accounts = school.accounts()
    assert anchors.keys() <= accounts.keys()
    assert {one["source_anchor"] for one in accounts.values() if one["enabled"] is False} == {
        f"R{n}" for n in range(20, 26)
    }
    again = school.run(*words)
    assert (again.code, "nothing was written" in again.out) == (0, True)
    journal = school.run("journal", "show", "--json").json["rows"]
    mine = [row for row in journal if row["cycle"] == done.json["operation"]]
    assert {row["action"] for row in mine} >= {"roster", "intend", "create", "update", "disable"}

    undone = school.run("year", "undo", "0123", "--reason", "wrong list", "--json")
    assert (undone.code, undone.json["against"]) == (0, [])
    assert school.run("sync").code == 0
    called = {anchor: name for name, (anchor, _) in names(school).items()}
    assert [called[before[name][0]] for name in ("6a", "7a")] == ["6a", "7a"]
    assert school.run("year", "undo", "0123", "--reason", "again").code == 1
    assert school.run("journal", "verify").code == 0


def test_a_roster_is_not_carried_out_while_the_directory_is_rebuilt_or_read_only(
    school: Embedded, tmp_path: Path
) -> None:
    file = roster(tmp_path / "now.csv", {**dict.fromkeys(range(10), "6a"), **dict.fromkeys(range(10, 20), "7a")})
    words = ("year", "apply", "0123", "--roster", str(file), "--reason", "August")
    school.run("year", "open", "0123", "--reason", "August")
    answer = school.run(*words)
    assert (answer.code, "rebuilds the directory by hand" in answer.err) == (1, True)
    school.run("year", "close", "0123", "--reason", "August")
    school.run("stage", "0123", "pause", "--reason", "holidays")
    before = school.root.joinpath("school.json").read_bytes()
    answer = school.run(*words)
    assert (answer.code, "writes nothing to the school" in answer.err) == (1, True)
    assert school.root.joinpath("school.json").read_bytes() == before
    assert school.run("year", "apply", "0123", "--expect", "3", "--reason", "x").code == 1


def test_a_roster_of_another_school_is_refused(school: Embedded, tmp_path: Path) -> None:
    file = roster(tmp_path / "now.csv", dict.fromkeys(range(500, 530), "5a"))
    answer = school.run("year", "plan", "0123", "--roster", str(file))
    assert answer.code == 1
    assert "0 of 30 people" in answer.err


def test_every_word_of_the_plan_has_its_sentence_in_both_languages() -> None:
    for words in YEAR_WORDS.values():
        assert set(words.turns) == set(PersonTurn)
        assert set(words.groups) == set(GroupTurn)
        assert set(words.why) == set(Why)
