"""Signed evidence by the real command: what is in it, who can check it, and what changes it."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pypdf import PdfReader
from sqlalchemy import insert, text, update

from bridge.core.changeover import Step
from bridge.core.cutover import Event, Gate, Stage
from bridge.core.gates import LAW, Standing, Vouched
from bridge.core.merkle import proves
from bridge.daemon import evidence, reports, wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.measuring.books import digest_of, keys_of
from bridge.daemon.shares import Ground
from bridge.daemon.signing import Signer, checked, written
from bridge.daemon.software import hashed
from bridge.letters import evidence_pages
from bridge.settings import Settings, load
from bridge.state.cutover_tables import appointment, approval, changeover, vouch
from bridge.state.cutover_tables import gate as gate_table
from bridge.state.journal import Entry, append
from bridge.state.tables import release, trouble
from bridge.state.tables import school as schools
from bridge.state.transaction import writing
from tests.daemon.embedded import Answer
from tests.daemon.folders import Folders

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
#: In no report may any of these stand: names of people and of files.
NAMES = ("Anna", "Lang", "anna0", "Aufsatz", "Deutsch", "geheim")
HOSTILE = '<script>alert("x")</script>&'


def stood(gate: Gate, result: str, **more: Any) -> Standing:
    """A gate as readiness tells it."""
    person = LAW[gate].person.value
    known = {"expected": "equal", "found": "412 on both sides", "fix": "", "measured": NOW}
    usual = {**known, "valid_until": NOW + timedelta(hours=4), "vouched": None}
    return Standing(gate=gate, result=result, person=person, human=LAW[gate].human, **{**usual, **more})


@pytest.fixture
def on_paper() -> None:
    """Asked for by tests that read the paper."""


@pytest.fixture(autouse=True)
def _paperless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere none is drawn: it takes longer than all else in these tests."""
    if "on_paper" not in request.fixturenames:
        monkeypatch.setattr("bridge.letters.evidence_pages.pdf", lambda *_, **__: b"%PDF-1.7 not drawn")


@pytest.fixture
def school(tmp_path: Path) -> Folders:
    root = tmp_path / "bridge"
    root.mkdir()
    one = Folders(root, people=2)
    (one.home / "Deutsch" / "geheim").mkdir(parents=True)
    (one.home / "Deutsch" / "geheim" / "Aufsatz.odt").write_bytes(b"Es war einmal" * 9)
    (one.home / "leer.txt").write_bytes(b"")
    one.mirror()
    return one


@contextmanager
def ground(school: Folders) -> Iterator[Ground]:
    catalog = Catalog()
    settings = load(school.config, catalog)
    with wiring.database(settings, create=False) as database:
        yield Ground(settings, catalog, settings.schools[0], database)


def cut_over(school: Folders) -> None:
    """As a cutover leaves the state: the stage, its run, two who approved, something held and released."""
    with ground(school) as one, one.database.write() as connection:
        run = {"id": "run-1", "started": NOW, "deadline": NOW + timedelta(hours=8), "actor": "root", "step": "notice"}
        more = {"step_at": NOW, "state": '{"verify": {"files": 2, "different": 0}}', "outcome": "switched"}
        connection.execute(insert(changeover).values(school="0123", **run, **more, ended=NOW + timedelta(hours=1)))
        for actor in ("k.meier", "p.huber"):
            given = {"event": "finalise", "actor": actor, "reason": "agreed", "typed": "0123", "at": NOW}
            connection.execute(insert(approval).values(school="0123", **given))
        held = {"link": "L77", "kind": "user", "side": "cloud", "action": "delete", "rule": "guard:delete"}
        connection.execute(insert(trouble).values(school="0123", **held, message="Anna Lang", since=NOW))
        freed = {"link": "L77", "actor": "k.meier", "reason": "left in summer", "at": NOW}
        connection.execute(insert(release).values(school="0123", **freed))
        connection.execute(update(schools).values(stage="soaking", stage_since=NOW))


def begun(one: Ground, *, step: Step, problem: str = "") -> None:
    """A run goes on."""
    run = {"id": "run-9", "started": NOW, "deadline": NOW + timedelta(hours=8), "actor": "root", "step": step}
    more = {"step_at": NOW, "state": "{}", "problem": problem, "outcome": ""}
    with one.database.write() as connection:
        connection.execute(insert(changeover).values(school="0123", **run, **more))


def written_by(school: Folders, *arguments: str) -> dict[str, Any]:
    answer = school.run("report", *arguments, "--json")
    assert answer.code == 0, answer.err
    return dict(answer.json)


def files_of(answer: dict[str, Any]) -> dict[str, Path]:
    """Form -> file."""
    found = (Path(name) for name in answer["files"])
    return {path.name.removeprefix(f"{answer['id']}."): path for path in found}


def elsewhere(*arguments: str, place: Path) -> Answer:
    """The command on a machine that has neither configuration nor state, in a process of its own."""
    place.mkdir(exist_ok=True)
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.mark.usefixtures("on_paper")
def test_a_completion_says_what_happened_and_names_nobody(school: Folders) -> None:
    cut_over(school)
    answer = written_by(school, "completion", "0123")
    files = files_of(answer)
    assert set(files) == set(reports.FORMS)
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert files["json"].parent.stat().st_mode & 0o777 == 0o700
    said, _ = checked(files["json"])
    assert (said["format"], said["school"], said["id"]) == ("schoolbridge-completion/1", "0123", answer["id"])
    assert said["stage"]["now"] == "soaking"
    assert said["stage"]["authority"] == "cloud"
    assert (said["run"]["id"], said["run"]["outcome"]) == ("run-1", "switched")
    assert said["mirrored"]["objects"] == {"file": 2, "folder": 2, "group": 1, "members": 2, "user": 2}
    assert said["mirrored"]["shares"] == {"homes": {"bytes": 117, "file": 2, "folder": 2}}
    assert [one["actor"] for one in said["approvals"]] == ["k.meier", "p.huber"]
    (held,) = said["skipped"]["held"]
    assert (held["link"], held["rule"], held["released"]["by"]) == ("L77", "guard:delete", "k.meier")
    assert said["verification"]["numbers"] == {"files": 2, "different": 0}
    assert said["rollback"]["possible"] is True
    assert set(said["gates"]) == {"freeze", "switch", "finalise"}
    verified = [one["result"] for one in said["gates"]["switch"] if one["gate"] == Gate.VERIFIED]
    assert verified == ["unknown"], "nobody measured it: it is not left out, and it did not pass"
    assert said["journal"]["unsound"] == {}
    everything = files["json"].read_text() + gzip.decompress(files["manifest.gz"].read_bytes()).decode()
    assert [name for name in NAMES if name in everything] == []


def test_the_pages_show_large_numbers_whole_and_what_is_on_one_side_by_side(school: Folders) -> None:
    with ground(school) as one:
        said = evidence.completion(one, now=NOW)
    said["verification"]["numbers"] = {"files": 1_234_567, "percent": 2.5}
    said["mirrored"]["one_sided"] = {"cloud": {"user": 3}, "school": {"file": 2, "folder": 1}}
    page = evidence_pages.html(said, language="de", foot="x").decode()
    assert "zu vergleichen waren: 1234567<" in page
    assert "in Prozent: 2.5<" in page
    assert "Nur in der Cloud: Konten: 3<" in page
    assert "Nur in der Schule: Dateien: 2, Ordner: 1<" in page


def test_it_is_checked_on_a_machine_that_has_nothing_of_the_bridge(school: Folders, tmp_path: Path) -> None:
    files = files_of(written_by(school, "completion", "0123"))
    fingerprint = school.run("report", "key", "--json").json["fingerprint"]
    place = tmp_path / "authority"
    good = elsewhere(
        "report", "verify", str(files["json"]), "--key", fingerprint, "--manifest", str(files["manifest.gz"]),
        place=place,
    )  # fmt: skip
    assert good.code == 0, good.err
    assert fingerprint in good.out
    assert "the root is the one that was signed" in good.out
    assert list(place.iterdir()) == [], "checking leaves no trace"
    changed = place / "changed.json"
    changed.write_text(files["json"].read_text().replace('"file": 2', '"file": 3', 1))
    bad = elsewhere("report", "verify", str(changed), place=place)
    assert bad.code == 1
    assert "was changed after it was signed" in bad.err
    assert "Traceback" not in bad.err


def test_a_report_of_another_key_is_told_by_its_fingerprint(school: Folders, tmp_path: Path) -> None:
    files = files_of(written_by(school, "completion", "0123"))
    mine = school.run("report", "key", "--json").json["fingerprint"]
    forger = Signer(Ed25519PrivateKey.generate())
    said, _ = checked(files["json"])
    forged = tmp_path / "forged.json"
    forged.write_bytes(written(forger.sign({**said, "skipped": {}})))
    told = elsewhere("report", "verify", str(forged), "--json", place=tmp_path / "authority")
    assert (told.code, told.json["signed_by"]) == (0, forger.fingerprint), "only its key tells"
    refused = elsewhere("report", "verify", str(forged), "--key", mine, place=tmp_path / "authority")
    assert refused.code == 1
    assert forger.fingerprint in refused.err
    assert "another key" in refused.err
    here = school.run("report", "verify", str(forged))
    assert here.code == 1
    assert "another key" in here.out, "the bridge knows its own key without being told"


def test_with_the_state_at_hand_the_journal_has_to_hold_the_head(school: Folders) -> None:
    files = files_of(written_by(school, "completion", "0123"))
    whole = school.run("report", "verify", str(files["json"]), "--json").json
    assert whole["ok"]
    assert whole["journal"] == {"checked": 2, "gone": 0, "problems": []}
    with ground(school) as one, one.database.write() as connection:
        connection.execute(text("UPDATE journal SET actor = 'nobody' WHERE school = '0123' AND seq = 2"))
    answer = school.run("report", "verify", str(files["json"]))
    assert answer.code == 1
    assert "row 2 was changed" in answer.out


def test_other_signed_files_are_checked_the_same_way(school: Folders, tmp_path: Path) -> None:
    compared, receipts = tmp_path / "compared.json", tmp_path / "receipts.pdf"
    assert school.run("verify", "--report", str(compared)).code == 0
    assert school.run("leavers", "0123", "--out", str(receipts)).code == 0
    for path, form in ((compared, "schoolbridge-verify/1"), (receipts.with_suffix(".json"), "schoolbridge-receipts/1")):
        answer = school.run("report", "verify", str(path), "--json")
        assert answer.code == 0, answer.err
        assert (answer.json["ok"], answer.json["format"]) == (True, form)
        assert datetime.fromisoformat(answer.json["made"]).tzinfo is not None
    assert "only a completion has one" in school.run("report", "verify", str(compared), "--manifest", "x").err


def test_key_and_reports_never_lie_where_a_restart_loses_them(school: Folders) -> None:
    settings = load(school.config, Catalog())
    assert (settings.kept, settings.reports) == (school.root, school.root / "reports")
    school.config.write_text("version: 1\nstate: {url: postgresql://u@h/d}\nruntime: run\n")
    other = load(school.config, Catalog())
    assert other.indexes == other.runtime / "indexes"
    assert other.reports == Path("/var/lib/schoolbridge/reports")


def test_a_journal_that_was_cut_off_and_given_a_new_head_is_noticed(school: Folders) -> None:
    files = files_of(written_by(school, "completion", "0123"))
    with ground(school) as one, one.database.write() as connection:
        connection.execute(text("DELETE FROM journal WHERE school = '0123' AND seq > 2"))
        head = "(SELECT hash FROM journal WHERE school = '0123' AND seq = 2)"
        connection.execute(text(f"UPDATE school SET journal_seq = 2, journal_hash = {head} WHERE code = '0123'"))
    assert school.run("journal", "verify").code == 0, "the chain alone can't tell"
    answer = school.run("report", "verify", str(files["json"]))
    assert answer.code == 1
    assert "the checkpoint knows" in answer.out


@pytest.mark.parametrize("noted", [False, True])
def test_a_folder_s_journal_that_is_gone_has_to_be_named_by_an_erasure(school: Folders, noted: bool) -> None:
    files = files_of(written_by(school, "completion", "0123"))
    root = checked(files["json"])[0]["journal"]["roots"][0].rsplit(":", 2)[0]
    with ground(school) as one:
        if noted:
            with writing(one.database, "0123") as tx:
                append(tx, [Entry("erase", actor="root", after={"rows": [], "roots": {root: "1:x"}})])
        with one.database.write() as connection:
            connection.execute(text("DELETE FROM journal WHERE school = :root"), {"root": root})
            connection.execute(text("DELETE FROM school WHERE code = :root"), {"root": root})
    answer = school.run("report", "verify", str(files["json"]))
    assert answer.code == (0 if noted else 1), answer.err
    assert ("1 were erased with a person" if noted else f"{root}: its journal is gone") in answer.out


def test_who_knows_a_path_finds_it_in_the_manifest(school: Folders) -> None:
    files = files_of(written_by(school, "completion", "0123"))
    wanted = "Deutsch/geheim/Aufsatz.odt"
    arguments = ("report", "verify", str(files["json"]), "--manifest", str(files["manifest.gz"]), "--path")
    (found,) = school.run(*arguments, wanted, "--json").json["found"]
    line = json.loads(found["line"])
    lines = gzip.decompress(files["manifest.gz"].read_bytes()).splitlines()
    salt = json.loads(lines[0])["salt"]
    assert line["path"] == hmac.new(salt.encode(), wanted.encode(), hashlib.sha256).hexdigest(), "as openssl does it"
    assert (line["size"], line["content"].partition(":")[0]) == (117, "quickxor")
    assert "salt" not in files["json"].read_text(), "the report alone lets nobody try names"
    tree = checked(files["json"])[0]["manifest"]
    path = [bytes.fromhex(step) for step in found["proof"]]
    of = {"index": found["index"], "size": tree["leaves"], "tree": bytes.fromhex(tree["root"])}
    assert proves(found["line"].encode(), path, **of)
    none = school.run(*arguments, "Deutsch/Aufsatz.odt")
    assert none.code == 0
    assert "no line" in none.out


@pytest.mark.parametrize("damage", ["line", "cut", "text", "other"])
def test_a_manifest_that_is_not_the_signed_one_is_refused(school: Folders, tmp_path: Path, damage: str) -> None:
    files = files_of(written_by(school, "completion", "0123"))
    whole, other = files["manifest.gz"].read_bytes(), tmp_path / "other.gz"
    lines = gzip.decompress(whole)
    damaged = {
        "line": lambda: gzip.compress(lines.replace(b'"size":117', b'"size":118')),
        "cut": lambda: whole[:-9],
        "text": lambda: b"no gzip at all",
        "other": lambda: files_of(written_by(school, "completion", "0123"))["manifest.gz"].read_bytes(),
    }
    other.write_bytes(damaged[damage]())
    answer = school.run("report", "verify", str(files["json"]), "--manifest", str(other))
    assert answer.code == 1
    assert "internal error" not in answer.err
    assert "not the manifest" in answer.err or "can't be read to its end" in answer.err


@pytest.mark.usefixtures("on_paper")
def test_gates_appear_with_evidence_age_and_who_vouched(school: Folders) -> None:
    word = Vouched(Gate.INFORMED, "waived", "k.meier", f"told them {HOSTILE}", NOW, NOW + timedelta(days=1))
    gates = [
        stood(Gate.COUNTS, "pass"),
        stood(Gate.INFORMED, "waived", vouched=word),
        stood(Gate.CAPACITY, "fail", found=f"3 GB {HOSTILE}", fix="order 20 licences"),
    ]  # fmt: skip
    with ground(school) as one:
        with one.database.write() as connection:
            day = {"at": NOW + timedelta(days=2), "actor": "root", "reason": "quiet day", "made": NOW}
            connection.execute(insert(appointment).values(school="0123", **day))
        kept = reports.keep_readiness(one, gates, event=Event.FREEZE, now=NOW)
        content, media = reports.report_bytes(one.settings, "0123", kept.id, "html")
        german, _ = reports.report_bytes(one.settings, "0123", kept.id, "de.html")
        paper, kind = reports.report_bytes(one.settings, "0123", kept.id, "de.pdf")
        said, by = checked(reports.path_of(one.settings, "0123", kept.id, "json"))
    assert (media, kind) == ("text/html; charset=utf-8", "application/pdf")
    assert said["ready"] is False
    waived = said["gates"][1]
    assert waived["vouched"] == {
        "how": "waived",
        "actor": "k.meier",
        "reason": f"told them {HOSTILE}",
        "at": "2026-11-20T08:00:00+00:00",
        "expires": "2026-11-21T08:00:00+00:00",
    }
    for page in (content.decode(), german.decode()):
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert "http" not in page.partition("<body>")[2], "nothing from elsewhere"
        assert by in page
    words = " ".join("".join(one.extract_text() for one in PdfReader(io.BytesIO(paper)).pages).split())
    for wanted in (
        "Bereitschaft zur Umstellung",
        "Noch nicht erfüllt: 1 von 3 Bedingungen",
        "22.11.2026 09:00 CET",
        "order 20 licences",
        "Lehrkräfte, Lernende und Eltern kennen den Tag",
        "IT der Schule",
    ):
        assert wanted in words
        assert wanted in german.decode()
    assert "Readiness for the cutover" in content.decode()


def test_gates_that_were_passed_are_told_as_they_stood_then(school: Folders) -> None:
    """By the journal; what was measured later on is no evidence of it."""
    with ground(school) as one:
        with one.database.write() as connection:
            for name, at in ((Gate.COUNTS, NOW), (Gate.BACKLOG, NOW + timedelta(days=3))):
                evidence = json.dumps({"expected": "equal", "found": f"{name} measured", "fix": "", "numbers": {}})
                row = {"gate": name.value, "result": "pass", "evidence": evidence, "at": at}
                connection.execute(insert(gate_table).values(school="0123", **row))
            for name, how in ((Gate.PERMISSIONS, "waived"), (Gate.OPEN_FILES, "attested")):
                word = {"gate": name.value, "how": how, "actor": "k.meier", "reason": "looked at it", "at": NOW}
                connection.execute(insert(vouch).values(school="0123", **word))
        with writing(one.database, "0123", now=NOW + timedelta(hours=1)) as tx:
            gates = {
                Gate.COUNTS: "pass", Gate.BACKLOG: "pass", Gate.PERMISSIONS: "k.meier", Gate.OPEN_FILES: "k.meier",
                Gate.CLOCK: "somebody else",
            }  # fmt: skip
            after = {"stage": "soaking", "run": "run-9", "gates": {name.value: said for name, said in gates.items()}}
            entry = Entry("stage", actor="root", reason="switch: it is time", before={"stage": "freezing"}, after=after)
            append(tx, [entry])
        with one.database.write() as connection:
            connection.execute(update(schools).values(stage="soaking"))
        begun(one, step=Step.OVER)
        kept = reports.keep_completion(one, now=NOW + timedelta(days=9))
        said, _ = checked(reports.path_of(one.settings, "0123", kept.id, "json"))
        page, _ = reports.report_bytes(one.settings, "0123", kept.id, "en.html")
    passed = {one["gate"]: one for one in said["gates"]["switch"]}
    assert [(one["gate"], one["result"]) for one in passed.values()] == [
        (Gate.CLOCK, "waived"), (Gate.BACKLOG, "pass"), (Gate.COUNTS, "pass"), (Gate.PERMISSIONS, "waived"),
        (Gate.OPEN_FILES, "pass"),
    ]  # fmt: skip
    assert passed[Gate.COUNTS]["found"] == "counts and memberships equal on both sides measured"
    assert passed[Gate.BACKLOG]["found"] == "", "measured anew since: that says nothing of the switch"
    assert passed[Gate.PERMISSIONS]["vouched"]["reason"] == "looked at it"
    assert passed[Gate.CLOCK]["vouched"]["actor"] == "somebody else"
    assert said["gates_as_of"]["switch"] == "2026-11-20T09:00:00+00:00"
    assert said["gates_as_of"]["finalise"] == "2026-11-29T08:00:00+00:00"
    assert {one["result"] for one in said["gates"]["finalise"]} <= {"unknown", "stale", "fail"}, (
        "of the next step as it is now"
    )
    move = next(one for one in said["moves"] if one["run"] == "run-9")
    assert (move["event"], move["reason"], move["gates"][Gate.COUNTS]) == ("switch", "it is time", "pass")
    assert "Switch to the cloud (as of 2026-11-20 10:00 CET)" in page.decode()


def test_reports_are_listed_newest_first_and_copied_in_one_language(school: Folders, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    assert "no directory" in school.run("report", "readiness", "0123", "--out", str(copies)).err
    copies.mkdir()
    first = written_by(school, "completion", "0123")
    second = written_by(school, "readiness", "0123", "--out", str(copies), "--language", "de")
    listed = school.run("report", "list", "0123", "--json").json["reports"]
    assert {one["id"] for one in listed} == {first["id"], second["id"]}
    assert [one["made"] for one in listed] == sorted((one["made"] for one in listed), reverse=True)
    assert sorted(path.name for path in copies.iterdir()) == [
        f"{second['id']}.{form}" for form in ("de.html", "de.pdf", "json")
    ]
    assert second["report"]["event"] == "freeze"
    assert "no reports yet" not in school.run("report", "list", "0123").out


def test_a_manifest_is_for_those_who_may_know_names(school: Folders) -> None:
    """By its salt, whoever has it can try the names of people and files."""
    kept = written_by(school, "completion", "0123")["id"]
    with ground(school) as one:
        settings = one.settings
        (plain,), (named,) = reports.list_reports(settings, "0123"), reports.list_reports(settings, "0123", names=True)
        assert set(named.formats) - set(plain.formats) == {"manifest.gz"}
        with pytest.raises(reports.NoReport, match="may know the names"):
            reports.report_bytes(settings, "0123", kept, "manifest.gz")
        content, media = reports.report_bytes(settings, "0123", kept, "manifest.gz", names=True)
    assert (content[:2], media) == (b"\x1f\x8b", "application/gzip")


def test_nothing_but_reports_is_handed_out(school: Folders) -> None:
    kept = written_by(school, "readiness", "0123")["id"]
    with ground(school) as one:
        (one.settings.reports / "0123" / "readiness-20260101T000000Z-00000000.json").symlink_to(one.settings.file)
        for code, id_, form in (
            ("0123", "../../verify", "key"),
            ("0123", kept, "../../verify.key"),
            ("..", kept, "json"),
            ("0123", "readiness-20260101T000000Z-00000000", "json"),
            ("0123", kept, "manifest.gz"),
            ("9999", kept, "json"),
        ):
            with pytest.raises(reports.NoReport):
                reports.report_bytes(one.settings, code, id_, form)
        assert reports.list_reports(one.settings, "..") == []


def test_an_impossible_event_and_an_unknown_school_are_said_to_be_so(school: Folders) -> None:
    answer = school.run("report", "readiness", "0123", "--event", "retire")
    assert answer.code == 1
    assert "not possible in stage 'hybrid'" in answer.err
    assert "no school has the code" in school.run("report", "completion", "77").err
    school.config.write_text("version: 1\nstate: {url: sqlite:///other.db}\nruntime: run\n")
    assert "never run" in school.run("report", "completion", "0123").err


def test_writing_a_report_changes_neither_state_nor_files(school: Folders) -> None:
    before = school.run("journal", "verify").out
    written_by(school, "completion", "0123")
    assert school.run("journal", "verify").out == before


def test_the_root_changes_with_what_is_mirrored_and_with_nothing_else(school: Folders) -> None:
    def lines() -> list[bytes]:
        packed = files_of(written_by(school, "completion", "0123"))["manifest.gz"].read_bytes()
        return [line for line in gzip.decompress(packed).splitlines()[1:] if b'"kind":"file"' in line]

    def plain(some: list[bytes]) -> list[dict[str, Any]]:
        return [{key: value for key, value in json.loads(line).items() if key != "path"} for line in some]

    first, second = lines(), lines()
    assert first != second, "each manifest has a salt of its own"
    assert plain(first) == plain(second)
    (school.home / "leer.txt").write_bytes(b"no longer")
    school.mirror()
    assert plain(lines()) != plain(first)


def test_the_configuration_s_hash_tells_a_change(school: Folders) -> None:
    with ground(school) as one:

        def mark(settings: Settings) -> str:
            return digest_of(keys_of(settings, settings.schools[0]))

        before = mark(one.settings)
        assert before == mark(load(school.config, Catalog()))
        share = replace(one.school.shares[0], permissions="mirror")
        for changed in (replace(one.school, pause=timedelta(hours=1)), replace(one.school, shares=(share,))):
            assert mark(replace(one.settings, schools=(changed,))) != before
        moved = replace(one.school, file=Path("/elsewhere/a.yaml"))
        assert mark(replace(one.settings, schools=(moved,))) == before


def test_the_hash_of_the_program_is_what_sha256sum_says(tmp_path: Path) -> None:
    for name, content in (("bridge/a.py", "1"), ("bridge/web/x.css", "2"), ("connectors/b.py", "3")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "bridge" / "__pycache__").mkdir()
    (tmp_path / "bridge" / "__pycache__" / "a.pyc").write_text("x")
    command = (
        "find bridge connectors -type f -not -path '*/__pycache__/*' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    )
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S602
    assert hashed(tmp_path) == {"sha256": done.stdout.split()[0], "files": 3}
    (tmp_path / "bridge" / "a.py").write_text("2")
    assert hashed(tmp_path)["sha256"] != done.stdout.split()[0]


def test_a_report_that_could_not_be_finished_is_not_listed(school: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bridge.letters.evidence_pages.pdf", full)
    answer = school.run("report", "completion", "0123")
    assert answer.code == 1
    assert "No space left" in answer.err
    assert school.run("report", "list", "0123", "--json").json["reports"] == []
    assert list((school.root / "reports" / "0123").iterdir()) == [], "the next try writes all of it again"


def test_of_the_run_that_goes_on_is_told_where_it_is_and_no_name(school: Folders) -> None:
    cut_over(school)
    with ground(school) as one:
        begun(one, step=Step.VERIFY, problem="Permission denied /srv/homes/anna0/Aufsatz.odt")
        kept = reports.keep_completion(one, now=NOW)
        said, _ = checked(reports.path_of(one.settings, "0123", kept.id, "json"))
        everything = reports.path_of(one.settings, "0123", kept.id, "json").read_text()
    assert (said["run"]["step"], said["run"]["held_up"], said["run"]["ended"]) == ("verify", True, None)
    assert [name for name in NAMES if name in everything] == []
    assert [(one["id"], one["outcome"]) for one in said["runs"]] == [("run-1", "switched"), ("run-9", "")]


@pytest.mark.usefixtures("on_paper")
def test_every_stage_can_be_reported_in_both_languages(school: Folders) -> None:
    with ground(school) as one:
        for stage in Stage:
            with one.database.write() as connection:
                connection.execute(update(schools).values(stage=stage.value))
            said = evidence.completion(one, now=NOW)
            assert said["stage"]["now"] == stage.value
            assert set(said["gates"]) <= {"freeze", "switch", "finalise"}
            pages = {evidence_pages.html(said, language=language, foot="x") for language in ("de", "en")}
            assert len(pages) == 2
