"""Enrolling with a ticket, the papers on the disk, and what a wrong end of the line is told as."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.fleet import certificates
from bridge.fleet.messages import Enrolled
from bridge.ports import ConfigurationError
from bridge.uplink import enrol, papers
from bridge.uplink.enrol import Ticket
from bridge.uplink.line import Away, Line
from tests.daemon.embedded import Embedded
from tests.fleet.fake_hub import FakeHub, now


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub(tmp_path / "hub") as it:
        yield it


@pytest.fixture
def school(tmp_path: Path, hub: FakeHub) -> Embedded:
    (tmp_path / "site").mkdir()
    it = Embedded(tmp_path / "site")
    it.config.write_text(it.config.read_text() + f"hub: {{url: '{hub.url}'}}\n")
    return it


def try_ticket(school: Embedded, text: str) -> tuple[int, str]:
    file = school.root / "ticket"
    file.write_text(text)
    done = school.run("uplink", "enrol", "--ticket-file", str(file))
    return done.code, done.err + done.out


def test_a_site_enrols_and_its_key_stays_at_home(hub: FakeHub, school: Embedded) -> None:
    hub.schools = ["0456"]
    code, said = try_ticket(school, hub.ticket() + "\n")
    assert code == 0, said
    assert "enrolled as s1" in said
    assert "does not know as this site's: 0123" in said
    folder = school.root / "hub"
    assert {one.name for one in folder.iterdir()} == {"site", "site.key", "site.pem", "authority.pem", "hub.key"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
    found = papers.read(folder)
    assert (found.site, found.hub) == ("s1", hub.key.public_key().public_bytes_raw())
    shown = school.run("uplink", "show", "--json").json
    assert (shown["site"], shown["daemon"], shown["certificate"]["serial"]) == ("s1", None, found.serial)
    (folder / "site.key").chmod(0o644)
    assert "chmod 600" in school.run("uplink", "show").err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "hello", "this is no ticket"),
        (lambda text: text[:-64] + "0" * 64, "is not the hub that this ticket is from"),
        (lambda text: text.replace("the-secret", "an-oldsecr"), "the ticket is not good"),
    ],
)
def test_a_bad_ticket_changes_nothing_and_is_not_repeated(
    hub: FakeHub, school: Embedded, change: object, words: str
) -> None:
    code, said = try_ticket(school, change(hub.ticket()))  # type: ignore[operator]
    assert code == 1
    assert words in said
    assert "secret" not in said.replace("SITE.SECRET", "")
    assert not (school.root / "hub" / "site.pem").exists()
    assert "is enrolled with no hub" in school.run("uplink", "show").err


def test_without_a_hub_or_without_its_server_it_says_what_to_write(hub: FakeHub, school: Embedded) -> None:
    ticket = hub.ticket()
    school.config.write_text(school.config.read_text().replace(str(hub.port), "1"))
    code, said = try_ticket(school, ticket)
    assert code == 1
    assert "can't be reached" in said
    school.config.write_text(school.config.read_text().partition("hub:")[0])
    assert "names no hub; write `hub: {url:" in try_ticket(school, ticket)[1]


def test_the_ticket_is_sent_to_nobody_who_only_looks_like_the_hub(
    hub: FakeHub, school: Embedded, tmp_path: Path
) -> None:
    """Somebody in between shows the real authority beside a certificate of his own."""
    key, pem = certificates.new_authority(now())
    other = certificates.Authority(key, pem)
    hub.stop()
    hub.show(other)
    (hub.folder / "server.pem").write_text((hub.folder / "server.pem").read_text() + hub.authority.pem)
    hub.start()
    code, said = try_ticket(school, hub.ticket())
    assert code == 1
    assert "not this site's hub" in said
    assert not (school.root / "hub" / "site.pem").exists()


async def talked(folder: Path, url: str) -> str:
    async with Line(url, papers.read(folder).context()) as line:
        try:
            await line.wait(0)
        except Away as error:
            return str(error)
    return ""


def _shows(hub: FakeHub, what: str) -> None:
    """Begin anew with another certificate."""
    hub.stop()
    if what == "expired":
        hub.show(hub.authority, days=1, begins=now() - timedelta(days=3))
    elif what == "early":
        hub.show(hub.authority, begins=now() + timedelta(days=3))
    elif what == "name":
        hub.names = ("hub.example",)
        hub.show(hub.authority)
    else:
        key, pem = certificates.new_authority(now())
        hub.show(certificates.Authority(key, pem))
    hub.start()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("expired", "the hub's certificate is expired"),
        ("early", "not good yet: the clock of this machine"),
        ("name", "is for another name. Write into hub.url"),
        ("other", "of an authority that is not this site's hub"),
    ],
)
def test_what_is_wrong_with_the_hubs_certificate_is_said(hub: FakeHub, school: Embedded, what: str, words: str) -> None:
    assert try_ticket(school, hub.ticket())[0] == 0
    assert asyncio.run(talked(school.root / "hub", hub.url)) == ""
    _shows(hub, what)
    assert words in asyncio.run(talked(school.root / "hub", hub.url))


def test_a_crash_while_a_pair_is_replaced_leaves_a_usable_pair(
    hub: FakeHub, school: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert try_ticket(school, hub.ticket())[0] == 0
    folder, public = school.root / "hub", (school.root / "hub" / "hub.key").read_text().strip()
    before, steps = papers.read(folder).serial, 0
    write, replace = papers._write, Path.replace
    for crash in range(1, 6):
        key, request = certificates.request_for("s1")
        issued = hub.authority.site("s1", request, now=now(), days=9)
        fresh = Enrolled(certificate=issued.pem, authority=hub.authority.pem, key=public, schools=[])
        left = crash

        def step() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        def writes(path: Path, content: bytes) -> None:
            step()
            write(path, content)

        def replaces(path: Path, target: Path) -> Path:
            if path.name.startswith("next."):
                step()
            return replace(path, target)

        monkeypatch.setattr(papers, "_write", writes)
        monkeypatch.setattr(Path, "replace", replaces)
        try:
            papers.renew(folder, "s1", key, fresh)
        except KeyboardInterrupt:
            steps += 1
        monkeypatch.setattr(papers, "_write", write)
        monkeypatch.setattr(Path, "replace", replace)
        found = papers.read(folder)
        found.context()  # OpenSSL refuses a key of another certificate
        assert found.serial == (before if crash <= 2 else issued.serial)
        before = found.serial
    assert steps == 4, "each of the four steps was cut off once, and the fifth time it went through"


def test_a_certificate_that_does_not_fit_is_not_taken(hub: FakeHub, tmp_path: Path) -> None:
    key, request = certificates.request_for("s1")
    other, _ = certificates.request_for("s1")
    made, public = hub.authority.site("s1", request, now=now(), days=9), "A" * 43 + "="
    good = Enrolled(certificate=made.pem, authority=hub.authority.pem, key=public, schools=[])
    folder = tmp_path / "papers"
    for site, pem in (("s1", other), ("s2", key)):
        with pytest.raises(ConfigurationError, match="not for the site"):
            papers.enrol(folder, site, pem, good)
    with pytest.raises(ConfigurationError, match="no certificate that can be used"):
        papers.enrol(folder, "s1", key, good.model_copy(update={"certificate": "x"}))
    assert not folder.exists()
    papers.enrol(folder, "s1", key, good)
    assert papers.read(folder).site == "s1"


def test_a_ticket_may_hold_a_site_with_dots() -> None:
    parsed = Ticket.parse(" a.b-c.d." + "x" * 32 + "." + "AB" * 32 + "\n")
    assert (parsed.site, parsed.secret, parsed.fingerprint) == ("a.b-c.d", "x" * 32, "ab" * 32)
    with pytest.raises(ConfigurationError):
        Ticket.parse("a.b")


def test_the_authority_is_only_taken_out_of_a_chain_by_its_fingerprint(hub: FakeHub) -> None:
    fingerprint = papers.fingerprint(hub.authority.pem)
    assert papers.fingerprint(asyncio.run(enrol.authority_of(hub.url, fingerprint))) == fingerprint
