"""Certificates, credentials, outages, failover and restored servers, on real Samba over real sockets."""

from __future__ import annotations

import asyncio
import datetime
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.lab.certificates import KeyPair, issue, make_authority
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import School
from bridge.ports import ConfigurationError, Refused, TokenLost, Unreachable
from connectors.active_directory import connect
from connectors.active_directory.session import Session
from tests.connectors.active_directory.conftest import Watch, context, options_of

pytestmark = pytest.mark.samba
Start = Callable[..., Any]


@pytest.fixture
def server(samba_dc: Callable[..., SchoolServer], small_school: School) -> SchoolServer:
    return samba_dc(school=small_school)


async def refused(server: SchoolServer, password: str | None = None, **changes: Any) -> str:
    """What a person is told when the connector is not let in."""
    about = context(server)
    if password is not None:
        about = replace(about, secret=lambda reference: password.encode())
    connector = await connect(options_of(server, **changes), about)
    with pytest.raises(Refused) as error:
        await connector.identify()
    await connector.close()
    assert server.reader_password not in str(error.value)
    return str(error.value)


def certify(server: SchoolServer, *, name: str, ip: str, days: int = 365, ago: int = 0) -> None:
    """Give the server another certificate and start it anew."""
    authority = KeyPair.read(server.directory / "ca.pem", server.directory / "ca.key")
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=ago)
    pair = issue(authority, names=[name], addresses=[ip], now=past, days=days)
    server.outage()
    pair.write(server.directory / "tls/cert.pem", server.directory / "tls/key.pem")


async def test_certificate_of_another_authority(server: SchoolServer, tmp_path: Path) -> None:
    other = make_authority("somebody else", now=datetime.datetime.now(datetime.UTC))
    (tmp_path / "ca.pem").write_bytes(other.certificate)
    for ca_file in (str(tmp_path / "ca.pem"), None):
        message = await refused(server, ca_file=ca_file)
        assert "not issued by a trusted authority" in message
        assert "ca_file" in message


async def test_certificate_for_another_name(server: SchoolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo",
        lambda host, *more, **named: resolve(server.ip if host == "dc7.schule.lab" else host, *more, **named),
    )  # fmt: skip
    message = await refused(server, servers=["ldaps://dc7.schule.lab"])
    assert "another name than dc7.schule.lab" in message


async def test_certificate_expired(server: SchoolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    certify(server, name="dc1.schule.lab", ip=server.ip, days=10, ago=20)
    monkeypatch.setattr(SchoolServer, "_refusal", lambda self: None)  # nobody who looks at certificates gets in
    server.restart()
    wait_for_port(server.ip)
    assert "has expired" in await refused(server)


def wait_for_port(ip: str) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex((ip, 636)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the server did not start")


async def test_a_ca_file_that_is_none(server: SchoolServer, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    connector = await connect(options_of(server, ca_file=str(tmp_path / "ca.pem")), context(server))
    with pytest.raises(ConfigurationError, match="PEM"):
        await connector.identify()
    await connector.close()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"servers": ["ldap://dc1.schule.lab"]}, "plain LDAP"),
        ({"servers": ["dc1.schule.lab"]}, "ldaps://NAME"),
        ({"servers": ["ldaps://user@dc1"]}, "expected ldaps://NAME"),
        ({"servers": []}, "at least 1"),
        ({"authentication": "ntlm"}, "'simple' or 'gssapi'"),
        ({"password": "Geheim.123"}, "not the password"),
        ({"password": None}, "needs `account` and `password`"),
        ({"verify": False}, "Extra inputs"),
        ({"roles": [{"role": "pupil", "when": "'x' in values.memberOf"}]}, "memberOf"),
        ({"roles": [{"role": "pupil", "when": "atr.sn"}]}, "did you mean 'attr'"),
        ({"user_fields": {"dislay_name": "attr.sn"}}, "no field 'dislay_name'"),
        ({"scope": {}}, "nothing would be mirrored"),
    ],
)
def test_what_is_refused_before_anything_is_sent(server_like: Any, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as error:
        options_of(server_like, **wrong)
    assert "Geheim.123" not in str(error.value.errors(include_input=False))


@pytest.fixture
def server_like() -> Any:
    """Enough of a server to write options for."""

    class Layout:
        root = "OU=Schule,DC=schule,DC=lab"

    class Server:
        layout, base, url, reader_upn, authority_file = Layout, "DC=schule,DC=lab", "ldaps://dc1", "a@b", Path("ca")

    return Server


async def test_wrong_credentials_are_told_apart(server: SchoolServer) -> None:
    dn, login = server.reader_dn, server.reader_upn
    assert "password is wrong" in await refused(server, password="wrong")
    assert login in await refused(server, password="wrong")
    server.disable(dn)
    assert "disabled" in await refused(server)
    server.modify(dn, userAccountControl="512", accountExpires="130000000000000000")
    assert "account has expired" in await refused(server)
    server.modify(dn, accountExpires="0", pwdLastSet="0")
    assert "must be changed" in await refused(server)


async def test_credentials_are_tried_once_although_there_are_more_servers(
    server: SchoolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []
    bind = Session._bind
    monkeypatch.setattr(Session, "_bind", lambda self: (tries.append(self.server), bind(self))[1])
    await refused(server, password="wrong", servers=[server.url, f"{server.url}:636", f"{server.url}/"])
    assert tries == [server.url]


async def test_an_outage_is_unreachable_and_passes(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server)
    server.outage()
    for _ in range(2):
        with pytest.raises(Unreachable, match=server.ip):
            await seen.look()
    finding = (await seen.connector.check())[0]
    assert (finding.ok, server.ip in finding.found) == (False, True)
    server.restart()
    server.modify(server.layout.person_dn(server.school.people[0]), sn="Nachher")
    await seen.look()
    assert len(seen.shown) == 1


async def test_an_outage_in_the_middle_of_a_listing_is_never_complete(server: SchoolServer) -> None:
    connector = await connect(options_of(server, page_size=10, answer_seconds=5), context(server))
    observing = connector.observe(None)
    pages = [await anext(observing), await anext(observing)]
    server.outage()
    with pytest.raises(Unreachable, match=server.ip):
        pages.append(await anext(observing))
    await connector.close()
    assert not any(page.complete or page.token for page in pages)


async def test_a_connection_closed_while_idle_is_no_trouble(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server)
    server.outage()
    server.restart()
    await seen.look()
    assert seen.shown == set()


async def test_failover_to_another_server_and_back(server: SchoolServer, watch: Start) -> None:
    moment = [datetime.datetime.now(datetime.UTC)]
    with server.second() as second:
        person, other = second.school.people[:2]
        seen = await watch(server, clock=lambda: moment[0], servers=[server.url, second.url])
        records = dict(seen.records)
        for _ in range(2):  # the first one is followed for some hours
            moment[0] += datetime.timedelta(hours=1)
            await seen.look()
        server.outage()
        with pytest.raises(TokenLost, match="another domain controller"):
            await seen.look()
        await seen.look(None)
        assert seen.records == records
        assert seen.server.url != second.url
        second.modify(second.layout.person_dn(person), sn="Zweiter")
        server.restart()
        server.modify(server.layout.person_dn(other), sn="Erster")
        await seen.look()  # sticky: the first one is back, and not asked
        assert (seen.of(person.login)["surname"], len(seen.shown)) == ("Zweiter", 1)
        second.outage()
        await seen.look()  # the first one is known: it goes on where it was left, an hour before that
        assert seen.of(other.login)["surname"] == "Erster"
        assert not any(page.listing for page in seen.pages)
        # The second was read for minutes only: whatever it said last may have reached nobody else.
        second.restart()
        server.outage()
        with pytest.raises(TokenLost, match="less than an hour"):
            await seen.look()


async def test_failover_is_told(server: SchoolServer, watch: Start) -> None:
    with server.second() as second:
        server.outage()
        seen = await watch(server, servers=[server.url, second.url])
        assert any(server.url in warning and second.url in warning for warning in seen.warnings)
        finding = (await seen.connector.check())[0]
        assert finding.ok is not False


async def test_a_restored_server_needs_a_full_compare(server: SchoolServer, watch: Start, tmp_path: Path) -> None:
    seen = await watch(server)
    before = dict(seen.records)
    server.backup(tmp_path / "backup")
    server.modify(server.layout.person_dn(server.school.people[0]), sn="Verloren")
    server.delete(server.layout.person_dn(server.school.people[1]))
    await seen.look()
    server.restore(tmp_path / "backup")
    with pytest.raises(TokenLost, match="restored"):
        await seen.look()
    listed = await Watch(seen.connector, server).look(None)
    assert listed.records == before


async def test_put_back_without_being_told(server: SchoolServer, watch: Start, tmp_path: Path) -> None:
    """As a virtual machine's snapshot does it: the same invocationId, older USNs."""
    seen = await watch(server)
    server.backup(tmp_path / "backup")
    server.modify(server.layout.person_dn(server.school.people[0]), sn="Verloren")
    await seen.look()
    server._reinvoke = lambda: None  # type: ignore[method-assign]
    server.restore(tmp_path / "backup")
    with pytest.raises(TokenLost, match="earlier state"):
        await seen.look()


async def test_other_options_need_a_full_compare(server: SchoolServer, watch: Start, reopened: Start) -> None:
    seen = await watch(server)
    await (await reopened(seen, page_size=100, poll_seconds=5)).look()
    with pytest.raises(TokenLost, match="options"):
        await (await reopened(seen, usage_location="AT")).look()


async def test_other_attributes_need_a_full_compare(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server)
    more = await watch(server, attributes={"user": {"phone": "attr.telephoneNumber"}})
    with pytest.raises(TokenLost, match="options"):
        await more.look(seen.token)


async def test_hints_do_not_lock_the_account(server: SchoolServer) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise asyncio.CancelledError

    wrong = replace(context(server), secret=lambda reference: b"wrong", sleep=sleep)
    connector = await connect(options_of(server), wrong)
    hints = connector.hints()
    await anext(hints)  # once: a cycle is to meet the trouble and tell of it
    with pytest.raises(asyncio.CancelledError):
        await anext(hints)
    await connector.close()
    assert waits == [900, 900]


async def test_gssapi_says_what_is_missing(server: SchoolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)
    said = {"authentication": "gssapi", "account": None, "password": None}
    connector = await connect(options_of(server, **said), context(server))
    with pytest.raises(ConfigurationError, match=r"schoolbridge\[kerberos\]"):
        await connector.identify()
    await connector.close()


async def test_hints_survive_an_outage(server: SchoolServer, watch: Start) -> None:
    seen = await watch(server, poll_seconds=0.1)
    hints = seen.connector.hints()
    waiting = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(0.5)
    server.outage()
    # The trouble itself is a hint, once: else nobody would know of it before the schedule asks.
    await asyncio.wait_for(waiting, 5)
    waiting = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    server.restart()
    await asyncio.sleep(1.5)
    server.modify(server.layout.person_dn(server.school.people[0]), sn="Danach")
    await asyncio.wait_for(waiting, 5)
    await hints.aclose()
