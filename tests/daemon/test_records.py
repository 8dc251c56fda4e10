"""``report records``: purposes, recipients, periods and measures as the configuration really is, in two languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.daemon.embedded import Embedded

MORE = """\
attributes:
  user:
    department: {from: attr.department, purpose: Raumplan der Abteilungen}
leavers: {pupil: {disable: 3d, retire: 45d, purge: 60d}}
guard: {thresholds: [{tally: delete, kind: user, unlimited: true}]}
"""


def real(tmp_path: Path) -> Embedded:
    """A school between a real directory and a real tenant, as far as the configuration goes."""
    one = Embedded(tmp_path, more=MORE)
    text = one.school_file.read_text()
    start, end = text.index("school_side:"), text.index("naming:")
    sides = """\
school_side:
  connector: active_directory
  servers: ["ldaps://dc1.school.example"]
  account: bridge@school.example
  password: credential:ad
  scope: {ous: ["OU=Schule"]}
  roles: [{role: pupil, ou: "OU=Schueler"}, {role: teacher, ou: "OU=Lehrer"}]
  consent: {when: "attr.x == 'y'"}
cloud_side:
  connector: graph
  tenant_id: 11111111-2222-3333-4444-555555555555
  client_id: app
  client_secret: env:GRAPH
  domains: [school.example]
"""
    one.school_file.write_text(text[:start] + sides + text[end:])
    return one


def lines(answer: dict[str, object], chapter: str, language: str) -> list[str]:
    found = answer["chapters"][chapter]  # type: ignore[index]
    rows = [" | ".join(cell[language] for cell in row) for row in found["rows"]]
    return [line[language] for line in found["lines"]] + rows


def test_every_part_comes_from_the_configuration(tmp_path: Path) -> None:
    bridge = real(tmp_path)
    answer = bridge.run("report", "records", "0123", "--json")
    assert answer.code == 0, answer.err
    said = answer.json
    assert "user | department | Raumplan der Abteilungen" in lines(said, "fields", "de")
    assert not [line for line in lines(said, "fields", "en") if "consent |" in line or "| login |" in line]
    assert lines(said, "people", "en")[:2] == ["pupils", "teachers"]
    assert "pupils | 3 days | 45 days | 60 days" in lines(said, "periods", "en")
    assert any("11111111-2222-3333-4444-555555555555" in line for line in lines(said, "recipients", "de"))
    assert any("[von der Schule auszufüllen]" in line for line in lines(said, "controller", "de"))
    measures = "\n".join(lines(said, "measures", "en"))
    assert "school: TLS only, certificate and name verified" in measures
    assert "dc1.school.example" in measures
    assert "a certificate would be better" in measures
    assert "ATTENTION, unlimited: Against mass deletion (delete" in measures
    assert "1 secret(s), by reference only (credential)" in measures
    assert "state: one file" in measures.lower()


def test_a_weakness_is_told_and_not_hidden(tmp_path: Path) -> None:
    bridge = real(tmp_path)
    bridge.config.write_text(bridge.config.read_text() + "logging: {level: debug}\n")
    text = bridge.school_file.read_text()
    bridge.school_file.write_text(text.replace("  client_id:", "  endpoint: http://localhost:8080\n  client_id:"))
    measures = "\n".join(lines(bridge.run("report", "records", "0123", "--json").json, "measures", "en"))
    assert "ATTENTION, names appear" in measures
    assert "cloud: ATTENTION, without TLS: http://localhost:8080" in measures


@pytest.mark.parametrize(("language", "word"), [("de", "Löschfristen"), ("en", "Periods of erasure")])
def test_on_paper_in_both_languages(tmp_path: Path, language: str, word: str) -> None:
    bridge = real(tmp_path)
    out = bridge.root / "records.pdf"
    answer = bridge.run("report", "records", "0123", "--out", str(out), "--language", language)
    assert answer.code == 0, answer.err
    assert word in answer.out
    text = "\n".join(page.extract_text() for page in PdfReader(out).pages)
    assert word in text
    assert "Gymnasium am Ölberg" in text
    assert bridge.run("report", "records", "0123", "--out", str(out)).code == 1
