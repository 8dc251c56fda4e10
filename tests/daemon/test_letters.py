"""First passwords: what is printed can be read, nobody else can, and whoever got one gets no second by mistake."""

import asyncio
import io
import os
import stat
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from bridge.daemon import handout, wiring
from bridge.daemon.catalog import Catalog
from bridge.letters import Letter, document
from bridge.letters.document import FONTS, PER_PAGE, heading, order
from bridge.letters.text import WORDS
from bridge.settings import load
from bridge.state.private import save
from connectors.sandbox import Sandbox
from tests.daemon.embedded import Answer, Embedded, person
from tests.sandbox.plugin import CLIENT_ID, CLIENT_SECRET

DAY = date(2026, 8, 31)
CULTURES = [
    ("5a", "Müller-Lüdenscheidt", "Jörg"), ("5a", "Weiß", "Änne"), ("5a", "Łukasiewicz", "Świętosława"),
    ("5a", "Özgür", "Işıl Şükrü"), ("5b", "Nguyễn", "Thị Hương"), ("10a", "Žižek", "Dvořák"),
    ("10a", "Țepeș", "Ștefan"),
]  # fmt: skip


def pages(content: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]


def letters() -> list[Letter]:
    return [Letter(*who, f"login{n}@school.example", f"Tadike-Rome-{n:03}") for n, who in enumerate(CULTURES)]


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_letter_can_be_read_back(language: str) -> None:
    text = pages(document(letters(), school="Gymnasium am Ölberg", language=language, printed=DAY))
    assert len(text) == 3, "a page for each class"
    everything = "\n".join(text)
    for one in letters():
        for part in (one.name, one.login, one.password):
            assert part in everything
    words = WORDS[language]
    assert words.group.format("5a") in text[0]
    assert DAY.strftime(words.date) in text[0]
    assert everything.count(words.password) == len(letters())


def test_order_is_by_class_as_people_count_and_by_name_as_in_the_telephone_book() -> None:
    names = [("10a", "A"), ("5b", "A"), ("5a", "Oz"), ("5a", "Öz"), ("5a", "Of"), ("", "A"), ("EF", "A"), ("9c", "A")]
    sorted_letters = sorted([Letter(group, name, "", "", "") for group, name in names], key=order)
    assert [(one.group, one.surname) for one in sorted_letters] == [
        ("5a", "Öz"), ("5a", "Of"), ("5a", "Oz"), ("5b", "A"), ("9c", "A"), ("10a", "A"), ("EF", "A"), ("", "A"),
    ]  # fmt: skip


def test_a_class_that_needs_two_pages_says_so() -> None:
    crowd = [Letter("5a", f"Name{n:02}", "X", f"l{n}@a.de", "p") for n in range(PER_PAGE + 1)]
    text = pages(document(crowd, school="S", language="de", printed=DAY))
    assert ["Seite 1 von 2" in text[0], "Seite 2 von 2" in text[1]] == [True, True]
    assert "9 Personen" in text[1]
    assert ["Name07" in text[0], "Name08" in text[1]] == [True, True]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.builds(Letter, *[st.text(max_size=80)] * 5), max_size=3))
def test_whatever_people_are_called_it_can_be_printed(crowd: list[Letter]) -> None:
    assert document(crowd, school="S\n\x00ß李", language="de", printed=DAY).startswith(b"%PDF")


def test_the_fonts_are_shipped_with_their_licence() -> None:
    assert "Bitstream" in (FONTS / "LICENSE").read_text(encoding="utf-8")
    assert sorted(font.name for font in FONTS.glob("*.ttf")) == ["DejaVuSans.ttf", "DejaVuSansMono.ttf"]


def test_repr_shows_no_password() -> None:
    assert "Tadike" not in repr(letters())


def test_the_file_is_private_and_whole_or_not_there(tmp_path: Path) -> None:
    out = tmp_path / "out.pdf"
    before = os.umask(0)
    try:
        save(out, b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        save(out, b"other")
    assert out.read_bytes() == b"content"
    with pytest.raises(TypeError):
        save(tmp_path / "never.pdf", "no bytes")  # type: ignore[arg-type]
    assert [one.name for one in tmp_path.iterdir()] == ["out.pdf"]
    (tmp_path / "link.pdf").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        save(tmp_path / "link.pdf", b"content")
    assert not (tmp_path / "elsewhere").exists()


def test_an_account_that_was_there_before_keeps_its_password(tmp_path: Path) -> None:
    """The teacher's account existed and was linked: only who is asked for by --again gets a new password."""
    school = Embedded(tmp_path)
    with school.cloud.changing() as side:
        side.create("user", {**person(0), "upn": "old@school.example"})
    school.fill(2)
    assert school.run("sync").code == 0
    assert len(school.accounts()) == 2
    found = load(school.config, Catalog())
    with wiring.database(found, create=False) as database:
        store = database.school("0123", found.schools[0].kinds())
        assert [one.login for one in handout.choose(store)] == ["anna.lang@school.example"]
        assert len(handout.choose(store, again=True)) == 2


@pytest.fixture
def at_sandbox(tmp_path: Path, tls_sandbox: Sandbox) -> Embedded:
    """A school whose cloud is the sandbox."""
    sandbox = tls_sandbox
    sandbox.load({"users": [{"userPrincipalName": "it@school.example", "displayName": "IT", "mailNickname": "it"}]})
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(CLIENT_SECRET)
    school = Embedded(tmp_path)
    cloud = f"""\
cloud_side:
  connector: graph
  tenant_id: {sandbox.tenant.id}
  client_id: {CLIENT_ID}
  client_secret: "file:secret"
  endpoint: {sandbox.base_url}
  authority: {sandbox.base_url}
  ca_file: {sandbox.ca_file}
  domains: [{sandbox.tenant.domains[0]}]
"""
    lines = [line for line in school.school_file.read_text().splitlines() if not line.startswith("cloud_side")]
    text = "\n".join(lines).replace("school.example", sandbox.tenant.domains[0])
    school.school_file.write_text(f"{text}\n{cloud}")
    school.fill(3)
    return school


async def run(school: Embedded, *arguments: str) -> Answer:
    """In a process of its own: the sandbox lives in this one's loop."""
    return await asyncio.to_thread(school.start, *arguments)


def files_with(text: str, folder: Path) -> list[Path]:
    """Files in which a text stands in the clear."""
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


async def test_passwords_are_set_printed_marked_and_nowhere_else(at_sandbox: Embedded, tmp_path: Path) -> None:
    school, out = at_sandbox, tmp_path / "5a.pdf"
    done = await run(school, "sync", "--json")
    assert done.code == 0, done.err
    assert done.json["schools"][0]["executed"].get("user:create") == 3, done.out
    wrong = await run(school, "letters", "0123", "--group", "5b", "--out", str(out))
    assert (wrong.code, "5b" in wrong.err, out.exists()) == (1, True, False)

    answer = await run(school, "letters", "0123", "--group", "5a", "--out", str(out), "--json")
    assert answer.code == 0, answer.err
    assert answer.json["letters"] == 3
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    (text,) = pages(out.read_bytes())
    assert text.count("Lang, Anna") == 3
    words = [word for word in text.split() if word.count("-") == 2 and word[-3:].isdecimal()]
    assert len(set(words)) == 3, text

    for password in words:
        assert files_with(password, tmp_path) == [], "not even in the PDF, which is compressed"
        assert password not in answer.out + answer.err

    again = await run(school, "letters", "0123", "--out", str(tmp_path / "again.pdf"))
    assert (again.code, "--again" in again.err) == (1, True)
    occupied = await run(school, "letters", "0123", "--again", "--out", str(out))
    assert (occupied.code, "exists already" in occupied.err) == (1, True)
    assert (await run(school, "letters", "0123", "--again", "--out", str(tmp_path / "again.pdf"))).code == 0
    assert set(words).isdisjoint(pages((tmp_path / "again.pdf").read_bytes())[0].split()), "fresh ones"

    rows = (await run(school, "journal", "show", "--json", "--limit", "100")).json["rows"]
    assert sum(row["action"] == "first password" and row["outcome"] == "done" for row in rows) == 6
    assert (await run(school, "journal", "verify")).code == 0


def test_a_class_that_is_called_so_is_not_called_so_twice() -> None:
    german, english = WORDS["de"], WORDS["en"]
    assert heading(german, "5a") == "Klasse 5a"
    assert heading(german, "Klasse 5a") == heading(english, "Klasse 5a") == "Klasse 5a"
    assert (heading(english, "5a"), heading(english, "")) == ("Class 5a", "Without a class")
