"""Exports as schools have them, and everything that goes wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.core.model import Fields
from bridge.ports import ConfigurationError, TokenLost
from connectors.roster import Options, RosterConnector, connect
from tests.conformance.base import Seen, context, watch

MNSPRO = (
    'Vorname;Nachname;Referenz-ID;Gruppen#Klasse;Gruppen#Kurs\nZoë;Öztürk;R1;5a;"Bio 5a, AG Chor"\nAnna;Lang;R2;5a;\n'
)
SCHILD = (
    "Interne ID-Nummer;Nachname;Vorname;Klasse;Geburtsdatum;Status\n"
    "501;Groß;Jürgen;05A;01.02.2015;2\n"
    "502;Kaya;Emir;10B;02.03.2010;8\n"
)


async def connected(path: Path, body: bytes | str, **options: object) -> RosterConnector:
    path.write_bytes(body if isinstance(body, bytes) else body.encode())  # noqa: ASYNC240
    return await connect(Options.model_validate({"path": path, **options}), context())


async def seen(path: Path, body: bytes | str, **options: object) -> dict[str, Fields]:
    return dict((await watch(await connected(path, body, **options))).records)


async def refused(path: Path, body: bytes | str, **options: object) -> str:
    connector = await connected(path, body, **options)
    shown = Seen()
    with pytest.raises(ConfigurationError) as error:
        await watch(connector, seen=shown)
    assert shown.pages == [], "a broken file shows nothing at all"
    findings = await connector.check()
    assert [one.ok for one in findings] == [False]
    return str(error.value)


async def test_mnspro(tmp_path: Path) -> None:
    found = await seen(tmp_path / "a.csv", MNSPRO)
    assert found["R1"] == {
        "source_anchor": "R1", "given_name": "Zoë", "surname": "Öztürk", "display_name": "Zoë Öztürk",
        "enabled": True, "role": "pupil",
    }  # fmt: skip
    groups = {anchor: fields["members"] for anchor, fields in found.items() if ":" in anchor}
    assert groups == {
        "class:5a": {"R1", "R2"},
        "course:Bio 5a": {"R1"},
        "course:AG Chor": {"R1"},
    }
    assert found["class:5a"]["role"] == "class"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
async def test_the_same_file_in_every_dress(tmp_path: Path, mark: bytes, separator: str, end: str) -> None:
    other = ";" if separator == "," else ","
    lines = ["Vorname,Nachname,Referenz-ID,Gruppen#Klasse,Gruppen#Kurs", f'"Zoë","Öztürk","R1","5a","Bio{other}Chor"']
    rows = [line.replace('","', f'"{separator}"') for line in lines]
    text = end.join([rows[0].replace(",", separator), rows[1], ""])
    found = await seen(tmp_path / "a.csv", mark + text.encode())
    assert set(found) == {"R1", "class:5a", "course:Bio", "course:Chor"}
    assert found["R1"]["surname"] == "Öztürk"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
async def test_schild(tmp_path: Path, encoding: str) -> None:
    found = await seen(tmp_path / "a.csv", SCHILD.encode(encoding))
    assert found["501"]["display_name"] == "Jürgen Groß"
    assert (found["501"]["enabled"], found["502"]["enabled"]) == (True, False)
    assert found["class:05A"]["members"] == {"501"}


async def test_teachers_have_no_class(tmp_path: Path) -> None:
    found = await seen(tmp_path / "a.csv", "Vorname,Nachname,Referenz-ID,Gruppen#Kurs\nIda,Ott,L1,Bio Q1\n")
    assert found["L1"]["role"] == "teacher"


async def test_columns_may_be_called_otherwise(tmp_path: Path) -> None:
    text = "Rufname;Name;Schlüssel;Stufe\nIda;Ott;7;EF\n"
    columns = {"given_name": "Rufname", "surname": "Name", "reference": "Schlüssel", "class": "Stufe"}
    assert set(await seen(tmp_path / "a.csv", text, columns=columns)) == {"7", "class:EF"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", ["line 1", "Referenz-ID", "Interne ID-Nummer"]),
        ("Vorname;Nachname;Klasse\nA;B;5a\n", ["line 1", "none of them"]),
        ("Vorname;Referenz-ID\nA;1\n", ["line 1", '"Nachname"', '"Vorname", "Referenz-ID"']),
        (MNSPRO + "Max;;R3;5b;\n", ["line 4", '"Nachname"', "nothing"]),
        (MNSPRO + "Max;Muster;;5b;\n", ["line 4", '"Referenz-ID"', "nothing"]),
        (MNSPRO + "Max;Muster;R1;5b;\n", ["line 4", '"R1" again', "Line 2"]),
        (MNSPRO + "Max;Muster;R3;5b;;zu viel\n", ["line 4", "5 columns", "found 6"]),
        (MNSPRO + "Max\n", ["line 4", "5 columns", "found 1"]),
        (MNSPRO + 'Max;Muster;R3;5b;"offen\n', ["quoted"]),
        (MNSPRO.encode("cp1252"), ["line 2", "UTF-8", "0xeb"]),
        (MNSPRO.replace("Gruppen#Kurs", "Vorname"), ["line 1", '"Vorname"', "twice"]),
    ],
)
async def test_a_mistake_is_told_with_its_place(tmp_path: Path, body: str | bytes, told: list[str]) -> None:
    message = await refused(tmp_path / "a.csv", body)
    assert "a.csv" in message
    assert [part for part in told if part not in message] == []
    assert "Muster" not in message, "no name of a person in an error"


async def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    message = await refused(tmp_path / "a.csv", MNSPRO + "Max;;R1;5b;\nEva;Ott;;5b;\n")
    assert message.count("a.csv, line") == 3
    many = await refused(tmp_path / "b.csv", MNSPRO + "Max;;R9;5b;\n" * 30)
    assert "more" in many.splitlines()[-1]


async def test_no_file(tmp_path: Path) -> None:
    connector = await connect(Options(path=tmp_path / "none.csv"), context())
    with pytest.raises(ConfigurationError, match=r"none\.csv"):
        await watch(connector)


async def test_a_changed_file_is_listed_anew_and_an_equal_one_is_quiet(tmp_path: Path) -> None:
    connector = await connected(tmp_path / "a.csv", MNSPRO)
    first = await watch(connector)
    again = await watch(connector, first.token)
    assert again.records == {}
    assert again.token == first.token
    (tmp_path / "a.csv").write_text(MNSPRO + "Max;Muster;R3;5b;\n")
    with pytest.raises(TokenLost):
        await watch(connector, first.token)
