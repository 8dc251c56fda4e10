"""``person export`` and ``person erase``: everything is told, and afterwards nothing of it is found."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from bridge.core.kinds import KINDS
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.state import open_database
from bridge.state.erase import compact, erase
from bridge.state.persons import RULES, Whom, rows
from bridge.state.tables import metadata
from bridge.state.transaction import Transaction
from tests.daemon.embedded import Embedded, person
from tests.daemon.test_leavers import Clock, clock  # noqa: F401

FIRST, LAST, BEFORE = "Änneliese", "Grünwaldtøz", "Kleinschmidtøx"
NAME, LOGIN, REFERENCE = f"{FIRST} {LAST}", "agruenw77", "REF-4711-X"
SID = "S-1-5-21-777-4711"
WORDS = (FIRST, LAST, BEFORE, LOGIN, REFERENCE, SID, "anneliese.grunwaldtoz")


@pytest.fixture
def bridge(tmp_path: Path, clock: Clock) -> Embedded:  # noqa: F811
    """A school in which somebody was renamed, held, released, got groups, and left; both sides have forgotten."""
    one = Embedded(tmp_path, more="leavers: {pupil: {retire: 30d}}\n")
    one.fill(3)
    with one.school.changing() as side:
        said = {"display_name": f"{FIRST} {BEFORE}", "given_name": FIRST, "surname": BEFORE, "login": LOGIN}
        more = {"source_anchor": REFERENCE, "sid": SID, "upn_base": "anneliese.grunwaldtoz"}
        anchor = side.create("user", {**person(9), **said, **more})
        group = side.named("group", "display_name", "5a") or ""
        side.change(group, {"members": frozenset({*one.people, anchor})})
    one.people.append(anchor)
    one.run("sync")
    with one.school.changing() as side:
        side.change(anchor, {"display_name": NAME, "surname": LAST})
    one.run("sync")
    one.run("release", "0123", REFERENCE, "--reason", f"talked to {NAME} about it")
    return one


def leave(bridge: Embedded, clock: Clock) -> str:  # noqa: F811
    """Gone at the school, disabled, deleted; the cloud's recycle bin still has the account. Returns the link."""
    with bridge.school.changing() as side:
        side.delete(bridge.people[-1])
    bridge.run("sync")
    link = str(bridge.run("leavers", "0123", "--json").json["leavers"][0]["link"])
    clock.pass_(days=30)
    bridge.run("sync")
    assert bridge.run("leavers", "0123", "--json").json["leavers"][0]["state"] == "retired"
    return link


def traces(bridge: Embedded, words: tuple[str, ...]) -> list[tuple[str, str]]:
    """(file, word) of every word that stands in a file of the bridge: state, log of writes, indexes, runtime."""
    sides = {bridge.root / "school.json", bridge.root / "cloud.json"}  # the directory and the cloud themselves
    found = []
    for path in sorted(bridge.root.rglob("*")):
        if path.is_file() and path not in sides:
            content = path.read_bytes().lower()
            for word in words:
                spelt = {word.lower().encode(), word.encode().lower(), json.dumps(word)[1:-1].lower().encode()}
                found += [(path.name, word) for one in spelt if one in content]
    return found


def test_every_table_has_a_rule() -> None:
    assert set(RULES) == set(metadata.tables)
    for name, rule in RULES.items():
        columns = set(metadata.tables[name].c.keys())
        named = {*rule.links, *rule.anchors, *rule.texts} if rule else set()
        assert named <= columns, name
        # Whatever is called link or anchor is looked at.
        assert not {"link", "anchor"} & (columns - named), name


def test_an_export_holds_every_store_and_can_be_read(bridge: Embedded, clock: Clock) -> None:  # noqa: F811
    out = bridge.root / "export.json"
    answer = bridge.run("person", "export", "0123", LOGIN, "--out", str(out), "--language", "de", "--json")
    assert answer.code == 0, answer.err
    said = json.loads(out.read_text())
    stores = said["stores"]
    assert {"observation", "link", "agreement", "name", "journal", "key", "reference", "release"} <= set(stores)
    assert {one["side"] for one in stores["observation"]} == {"school", "cloud"}
    assert NAME in {one["fields"].get("display_name") for one in stores["observation"]}
    assert [one["name"] for one in stores["name"]] == ["anneliese.grunwaldtoz@school.example"]
    assert any(BEFORE in json.dumps(one, ensure_ascii=False) for one in stores["journal"])
    assert said["stores_without_people"] == sorted(name for name, rule in RULES.items() if rule is None)
    # Nobody else's rows: the others are called Anna Lang.
    assert "Anna Lang" not in out.read_text()
    paper = "\n".join(page.extract_text() for page in PdfReader(out.with_suffix(".pdf")).pages)
    assert "Auskunft nach Art. 15 DSGVO" in paper
    assert "Grünwaldtøz" in "".join(paper.split())
    assert (out.stat().st_mode | out.with_suffix(".pdf").stat().st_mode) & 0o077 == 0
    again = bridge.run("person", "export", "0123", LOGIN, "--out", str(out))
    assert (again.code, "exists already" in again.err) == (1, True)


def test_after_an_erasure_nothing_is_found_anywhere_and_the_journal_is_whole(
    bridge: Embedded,
    clock: Clock,  # noqa: F811
) -> None:
    link = leave(bridge, clock)
    bridge.cloud.refresh()
    cloud = next(
        one.anchor for one in bridge.cloud.side.entries.values() if one.fields.get("source_anchor") == REFERENCE
    )
    words = (*WORDS, bridge.people[-1] + '"', cloud + '"')
    assert {word for _, word in traces(bridge, words)} >= {FIRST, LAST, BEFORE, LOGIN, REFERENCE}
    before = bridge.run("journal", "verify", "--json").json["schools"][0]
    pdf = bridge.root / "receipt.pdf"
    answer = bridge.run("person", "erase", "0123", link, "--reason", "request", "--out", str(pdf), "--json")
    assert answer.code == 0, answer.err
    assert answer.json["compacted"] is True
    assert traces(bridge, words) == []
    verified = bridge.run("journal", "verify", "--against", before["checkpoint"], "--json")
    assert verified.code == 0, verified.out
    # The receipt is signed, in the journal, and names nobody.
    assert bridge.run("leavers", "0123", "--check", str(pdf.with_suffix(".json"))).code == 0
    report = json.loads(pdf.with_suffix(".json").read_text())["report"]
    assert [one["step"] for one in report["receipts"]] == ["erase"]
    assert report["erased"]["journal_rows"] > 5
    # What was done stays told: which steps by which rule, of a link that means nobody.
    steps = [
        one for one in bridge.run("leavers", "0123", "--receipts", "--json").json["receipts"] if one["link"] == link
    ]
    assert [one["step"] for one in steps] == ["disable", "delete", "erase"]
    assert "delete after 30 days" in steps[1]["rule"]
    # The next cycles bring nothing back, and find nothing to do.
    for words_ in (("sync",), ("sync", "--full")):
        assert bridge.run(*words_).code == 0
    assert traces(bridge, WORDS) == []
    assert bridge.run("person", "export", "0123", LOGIN, "--out", str(bridge.root / "b.json")).code == 1


def test_the_login_stays_reserved_by_a_keyed_hash(bridge: Embedded, clock: Clock) -> None:  # noqa: F811
    link = leave(bridge, clock)
    out = str(bridge.root / "receipt.pdf")
    assert bridge.run("person", "erase", "0123", link, "--reason", "request", "--out", out).code == 0
    with bridge.school.changing() as side:
        side.create("user", {**person(7), "upn_base": "anneliese.grunwaldtoz"})
    assert bridge.run("sync").code == 0
    assert "anneliese.grunwaldtoz@school.example" not in bridge.accounts()
    assert "anneliese.grunwaldtoz2@school.example" in bridge.accounts()
    # Without its key nobody could tell: no name is given rather than one twice.
    key = bridge.root / "names.key"
    assert key.stat().st_mode & 0o077 == 0
    kept = key.read_bytes()
    key.write_bytes(bytes(32))
    with bridge.school.changing() as side:
        side.create("user", {**person(8), "upn_base": "somebody.else"})
    refused = bridge.run("sync")
    assert refused.code == 1
    assert "names.key is another one" in refused.err + refused.out
    key.write_bytes(kept)
    assert bridge.run("sync").code == 0
    assert "somebody.else@school.example" in bridge.accounts()


def test_nobody_is_erased_who_is_there_or_held(bridge: Embedded, clock: Clock) -> None:  # noqa: F811
    out = ("--out", str(bridge.root / "receipt.pdf"))
    refused = bridge.run("person", "erase", "0123", LOGIN, "--reason", "request", *out)
    assert (refused.code, "is still there in the school and the cloud" in refused.err) == (1, True)
    assert bridge.run("person", "erase", "0123", LOGIN, "--reason", "request", "--force", "9999", *out).code == 1
    link = leave(bridge, clock)
    bridge.run("hold", "0123", link, "--until", "2026-12-31", "--reason", "legal")
    refused = bridge.run("person", "erase", "0123", link, "--reason", "request", "--force", "0123", *out)
    assert (refused.code, "is held (legal)" in refused.err) == (1, True)
    assert LAST in {word for _, word in traces(bridge, WORDS)}
    assert not (bridge.root / "receipt.pdf").exists()


def test_somebody_who_was_forgotten_is_found_by_the_old_login(bridge: Embedded, clock: Clock) -> None:  # noqa: F811
    link = leave(bridge, clock)
    bridge.cloud.refresh()
    with bridge.cloud.changing() as side:
        gone = next(one.anchor for one in side.entries.values() if one.fields.get("source_anchor") == REFERENCE)
        side.purge(gone)
    bridge.run("sync")
    assert bridge.run("leavers", "0123", "--json").json["leavers"] == []
    out = str(bridge.root / "receipt.pdf")
    answer = bridge.run("person", "erase", "0123", LAST, "--reason", "request", "--out", out, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["link"] == link
    assert traces(bridge, WORDS) == []
    assert bridge.run("journal", "verify").code == 0


def test_an_emptied_row_without_an_erasure_is_found_out(bridge: Embedded) -> None:
    with sqlite3.connect(bridge.root / "state.db") as connection:
        connection.execute("UPDATE journal SET salt = '', reason = '' WHERE seq = 4")
    answer = bridge.run("journal", "verify")
    assert (answer.code, "row 4 was emptied, but no erasure was noted" in answer.out) == (1, True)


def test_what_was_deleted_before_is_taken_out_of_the_file_too(tmp_path: Path) -> None:
    """A SQLite that does not overwrite what it deletes, as some are built."""
    path = tmp_path / "s.db"
    database = open_database(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        row = ("0123", "homes", "ghost of anneliese", "ghost of anneliese", "L1", "2026")
        connection.execute("INSERT INTO name (school, space, folded, name, link, at) VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.execute("DELETE FROM name")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"ghost of anneliese" in path.read_bytes()
    assert compact(database)
    assert b"ghost of anneliese" not in path.read_bytes()
    database.close()


def test_the_folders_of_a_person_go_with_their_whole_state(tmp_path: Path) -> None:
    """Rows under the codes of the person's roots, whatever the table; those of others stay."""
    database = open_database(f"sqlite:///{tmp_path / 's.db'}", clock=wiring.now)
    for owner in ("L1", "L2"):
        root = database.school(f"0123/homes/{owner}", KINDS)
        root.reserve("x", [(owner, [f"secret plan of {owner}"])])
    database.school("0123", KINDS)
    person_ = Whom("0123", "L1", {Side.SCHOOL: "a1"}, frozenset({"a1x"}), frozenset(), (), ("0123/homes/L1",))
    with database.read() as connection:
        told: list[tuple[str, dict[str, Any]]] = list(rows(connection, person_))
    assert {table for table, _ in told} == {"school", "name"}
    with database.write() as connection:
        tx = Transaction(connection, "0123", KINDS, wiring.now(), database.key)
        done = erase(tx, person_, actor="t", reason="r")
    assert set(done.roots) == {"0123/homes/L1"}
    assert compact(database)
    assert database.schools() == ["0123", "0123/homes/L2"]
    content = (tmp_path / "s.db").read_bytes()
    assert (b"secret plan of L1" in content, b"secret plan of L2" in content) == (False, True)
    database.close()
