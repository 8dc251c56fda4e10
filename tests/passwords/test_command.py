"""The command ``password`` as an admin types it, on a real Samba and the sandbox."""

from __future__ import annotations

import asyncio
import io
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from pydantic import SecretStr
from pypdf import PdfReader

from bridge.api.asked import Password
from bridge.api.local import LocalSource
from bridge.api.source import Who
from bridge.api.survey import Bridge as Bridge_
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import draw_school
from bridge.settings import load
from connectors.active_directory.wire import guid_text
from connectors.sandbox import Sandbox
from tests.connectors.active_directory.conftest import SMALL, options_of
from tests.daemon.embedded import Answer, Embedded
from tests.passwords.kit import Pupil, let_reset
from tests.sandbox.plugin import CLIENT_ID, CLIENT_SECRET, MakeSandbox

pytestmark = pytest.mark.samba


@pytest.fixture(scope="module")
def server() -> Iterator[SchoolServer]:
    server = SchoolServer.of(draw_school(1, SMALL), password="Start-Wort-77")
    let_reset(server, server.layout.root)
    yield server
    server.stop()


class Bridge(Embedded):
    """The command on its own configuration, in a process of its own."""

    async def type(self, *arguments: str, stdin: str = "") -> Answer:
        def work() -> Answer:
            done = subprocess.run(
                [sys.executable, "-m", "bridge", *arguments],
                env=self.environment(), capture_output=True, text=True, check=False, timeout=120, input=stdin,
            )  # fmt: skip
            return Answer(done.returncode, done.stdout, done.stderr)

        return await asyncio.to_thread(work)

    def serves(self, place: str) -> int:
        """Start the page, look at it, end it; its exit code."""
        command = [sys.executable, "-m", "bridge", "page", "0123", "--listen", place]
        with subprocess.Popen(command, env=self.environment(), stderr=subprocess.DEVNULL) as served:
            try:
                assert "Log in" in answer_of(f"http://{place}/?lang=en")
            finally:
                served.terminate()
        return served.returncode


@pytest.fixture
async def bridge(tmp_path: Path, server: SchoolServer, make_sandbox: MakeSandbox) -> Bridge:
    sandbox = await make_sandbox(tls=True)
    sandbox.load({"skus": [{"skuId": "314c4481-f395-4525-be8b-2ec4bb1e9d91", "skuPartNumber": "LEARN", "enabled": 500},
                           {"skuId": "94763226-9b3c-4e75-a931-5c89701abe66", "skuPartNumber": "TEACH",
                            "enabled": 500}]})  # fmt: skip
    found = Bridge(tmp_path)
    for name, secret in (("cloud", CLIENT_SECRET), ("ad", server.reader_password)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(secret)
    school = options_of(server, password="file:ad").model_dump(mode="json", exclude_defaults=True)
    found.school_file.write_text(yaml.safe_dump({
        "version": 1, "school": "0123", "name": "Gymnasium am Ölberg", "initial_stage": "hybrid",
        "naming": {"domain": sandbox.tenant.domains[0]},
        "school_side": {"connector": "active_directory", **school},
        "cloud_side": {
            "connector": "graph", "tenant_id": sandbox.tenant.id, "client_id": CLIENT_ID, "client_secret": "file:cloud",
            "endpoint": sandbox.base_url, "authority": sandbox.base_url, "ca_file": str(sandbox.ca_file),
            "domains": [sandbox.tenant.domains[0]], "licenses": ["LEARN", "TEACH"],
        },
    }, allow_unicode=True))  # fmt: skip
    found.sandbox = sandbox  # type: ignore[attr-defined]
    done = await found.type("sync")
    assert done.code == 0, done.err + done.out
    return found


def sandbox_of(bridge: Bridge) -> Sandbox:
    found = bridge.sandbox  # type: ignore[attr-defined]
    assert isinstance(found, Sandbox)
    return found


def both(bridge: Bridge, server: SchoolServer, login: str) -> Pupil:
    """A mirrored person on both sides."""
    (found,) = server.find(f"(sAMAccountName={login})", ("objectGUID", "employeeNumber"))
    reference = found.text("employeeNumber")
    users = sandbox_of(bridge).dump()["users"]
    (user,) = [one for one in users if reference in (one.get("onPremisesExtensionAttributes") or {}).values()]
    return Pupil(server, sandbox_of(bridge), found.dn, login, guid_text(found.attributes["objectGUID"][0]), user["id"])


def answer_of(url: str) -> str:
    """What a server that is starting answers at last."""
    for _ in range(200):
        try:
            with urlopen(url, timeout=5) as answer:  # noqa: S310 - http, of this machine
                return str(answer.read().decode())
        except URLError:
            time.sleep(0.1)
    raise AssertionError("the page did not answer")


async def test_from_one_person_to_a_class(bridge: Bridge, server: SchoolServer, tmp_path: Path) -> None:
    """One long test: the first mirror of the school takes most of the time."""
    people = [one for one in server.school.people if one.role == "pupil" and one.standing == "present" and one.consent]
    first = people[0]
    pupil = both(bridge, server, first.login)

    # read from standard input
    done = await bridge.type("password", "0123", first.login, stdin="Neues-Wort-88\n")
    assert (done.code, "set (school: new, cloud: new)" in done.out) == (0, True), done.out + done.err
    assert [pupil.holds(side, "Neues-Wort-88") for side in Side] == [True, True]
    assert "Neues-Wort" not in done.out + done.err

    # rules of both sides, in words; nothing changed
    done = await bridge.type("password", "0123", first.login, stdin="kurz\n")
    assert done.code == 1
    assert "at least 8 characters" in done.out
    assert [pupil.holds(side, "Neues-Wort-88") for side in Side] == [True, True]

    # over the status API, by the same function
    settings, catalog = load(bridge.config, Catalog()), Catalog()
    with wiring.database(settings, create=False) as database:
        source = LocalSource(Bridge_(lambda: settings, catalog, database, lambda: None, lambda *_: True, wiring.now))
        wanted = Password(person=first.login.upper(), password=SecretStr("Wort-vom-Amt-5"), reason="forgotten")
        told = await source.set_password("0123", wanted, Who("help desk", frozenset({"passwords"})))
        assert (told.done, told.sides, told.password) == (True, {"school": "new", "cloud": "new"}, "")
        assert [pupil.holds(side, "Wort-vom-Amt-5") for side in Side] == [True, True]
        await source.close()

    # made, to be changed at the next login
    done = await bridge.type("password", "0123", first.login, "--generate", "--must-change", "--json")
    made = done.json["password"]
    assert done.json["sides"] == {"school": "new", "cloud": "new"}
    assert [pupil.holds(side, made) for side in Side] == [True, True]

    # one side fails: said, remembered, shown
    sandbox_of(bridge).faults.add("forbid", method="PATCH", path="/users/", count=1)
    done = await bridge.type("password", "0123", first.login, stdin="Anderes-Wort-1\n")
    assert done.code == 1
    assert "nothing was changed" in done.out
    deny = "(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;{sid})"
    stranger = people[1]
    let_reset(server, both(bridge, server, stranger.login).dn, deny)
    done = await bridge.type("password", "0123", stranger.login, stdin="Anderes-Wort-1\n")
    assert (done.code, "school: old, cloud: new" in done.out) == (1, True), done.out
    assert "Reset password" in done.out
    status = (await bridge.type("password", "0123", "--status", "--json")).json
    (shown,) = [one for one in status["shown"] if one["differs"]]
    assert shown["login"] == stranger.login
    assert shown["bridge"] == {"school": "old", "cloud": "new"}
    held = await bridge.type("quarantine", "--json")
    assert [one["link"] for one in held.json["passwords"]] == [shown["link"]]
    assert "the cloud has the new password" in held.json["passwords"][0]["message"]

    # the ages as both sides tell them
    assert (await bridge.type("sync")).code == 0
    told = (await bridge.type("password", "0123", stranger.login, "--status", "--json")).json["shown"][0]
    assert set(told["set_at"]) == {"school", "cloud"}
    assert told["older"] is None or told["older"] == "school"
    story = (await bridge.type("explain", "user", stranger.login, "--json")).json["found"][0]
    assert story["passwords"] == {"differs": True, "sides": {"school": "old", "cloud": "new"}}
    assert "cloud_password_set" in [one["name"] for one in story["fields"]]

    # a class: one of them refuses, the rest is on paper
    unit = people[2].unit
    out = tmp_path / "class.pdf"
    done = await bridge.type(
        "password", "0123", "--class", f"Klasse {unit}", "--generate", "--out", str(out), "--language", "de", "--json"
    )
    assert out.exists(), done.out + done.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(out.read_bytes())).pages)
    assert done.json["printed"] == text.count("Gilt am Schulrechner") > 1, done.out
    assert len(done.json["failed"]) <= 1, "what is refused for lack of a right is not tried for the others"
    words, opened = text.split(), 0
    for one in people:
        if one.unit == unit and one.login in words:
            mate = both(bridge, server, one.login)
            made = next(word for word in words[words.index(one.login) :] if word.count("-") == 2)
            assert [mate.holds(side, made) for side in Side] == [True, True]
            opened += 1
    assert opened == done.json["printed"]
    # a change at a PC, as samba-tool pipes it in
    server.set_password(pupil.dn, "Am-PC-gesetzt-5")
    ldif = f"objectGUID: {pupil.anchor}\nmsDS-KeyVersionNumber: 99\nvirtualClearTextUTF8: Am-PC-gesetzt-5\n"
    done = await bridge.type("password", "0123", "--from-samba", stdin=ldif)
    assert (done.code, done.out.startswith("DONE-EXIT: ")) == (0, True), done.out + done.err
    assert [pupil.holds(side, "Am-PC-gesetzt-5") for side in Side] == [True, True]
    done = await bridge.type("password", "0123", "--from-samba", stdin=ldif)
    assert "dealt with before" in done.out
    done = await bridge.type("password", "0123", "--from-samba", stdin="nothing of the sort")
    assert (done.code, done.out.startswith("DONE-EXIT")) == (1, False)
    # the page, as the process that serves it
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    assert await asyncio.to_thread(bridge.serves, place) == 0
    verified = await bridge.type("journal", "verify", "--json")
    assert verified.code == 0, verified.out
