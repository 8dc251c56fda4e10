"""A password changed at the school reaches the cloud: real Samba with GPG, real `samba-tool user syncpasswords`."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import ldap3
import pytest

from bridge.core.kinds import KINDS
from bridge.core.model import Side
from bridge.daemon import samba_password
from bridge.daemon.passwords import Desk
from bridge.daemon.samba_password import read
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import draw_school
from bridge.ports import ConfigurationError, Observation, Page, Pair
from bridge.state.database import open_database
from bridge.state.passwords import kept
from bridge.state.store import SchoolStore
from connectors.active_directory import connect
from connectors.sandbox import Sandbox
from tests.connectors.active_directory.conftest import SMALL, context, options_of
from tests.connectors.graph.kit import connector
from tests.passwords.kit import FIRST, Pupil, desk_of, pupil_of

WANTED = "objectGUID,pwdLastSet,msDS-KeyVersionNumber,virtualClearTextUTF8"
LDIF = b"""\
dn: CN=Kind,OU=5a,DC=schule,DC=lab
# what Samba says besides
objectGUID: 5F3C2A10-0000-4000-8000-00000000000A
pwdLastSet: 134085852317654321
msDS-KeyVersionNumber: 4
virtualClearTextUTF8:: w6RuZGVydW5nLTEy
 Mw==
"""


def test_an_account_is_read() -> None:
    change = read(LDIF)
    assert (change.guid, change.secret, change.version) == ("5f3c2a10-0000-4000-8000-00000000000a", "änderung-123", "4")
    assert change.set_at == datetime(2025, 11, 25, 23, 0, 31, 765432, tzinfo=UTC)
    assert "änderung" not in repr(change)
    assert read(b"objectGUID: a\npwdLastSet: 0\n").set_at is None


@pytest.mark.parametrize("ldif", [b"", b"hello\n", b"dn: CN=x\n", b"objectGUID: a\nvirtualClearTextUTF8:: %%%\n"])
def test_anything_else_is_refused(ldif: bytes) -> None:
    with pytest.raises(ConfigurationError):
        read(ldif)


class Capturing(SchoolServer):
    """A domain controller that keeps what is set for whoever has the key (`password hash gpg key ids`)."""

    def _configure(self) -> None:
        super()._configure()
        home = self.directory / "gnupg"
        home.mkdir(mode=0o700)
        kind = ["--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key", "bridge@lab"]
        self._gpg(*kind, "default", "default", "never")
        lines = self._gpg("--list-keys", "--with-colons").splitlines()
        key = next(line.split(":")[9] for line in lines if line.startswith("fpr:"))
        text = (self.directory / "smb.conf").read_text()
        text = text.replace("[global]\n", f"[global]\n  password hash gpg key ids = {key[-16:]}\n", 1)
        (self.directory / "smb.conf").write_text(text)

    def _gpg(self, *arguments: str) -> str:
        command = ["gpg", "--homedir", str(self.directory / "gnupg"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "GNUPGHOME": str(self.directory / "gnupg")}

    def stop(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.directory / "gnupg"), "--kill", "all"], check=False)
        super().stop()

    def tool(self, *arguments: str) -> str:
        """`samba-tool user syncpasswords`, with its cache beside the server."""
        command = ["samba-tool", "user", "syncpasswords", f"--configfile={self.directory}/smb.conf", *arguments]
        environment = {**os.environ, "GNUPGHOME": str(self.directory / "gnupg")}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
        return done.stdout + done.stderr


def can_decrypt() -> bool:
    probe = subprocess.run(["/usr/bin/python3", "-c", "import gpg"], capture_output=True, check=False)
    return probe.returncode == 0


needs_gpg = pytest.mark.skipif(not can_decrypt(), reason="python3-gpg is not installed (apt-get install python3-gpg)")


@pytest.fixture(scope="module")
def server() -> Iterator[Capturing]:
    server = Capturing.of(draw_school(1, SMALL))
    yield server
    server.stop()


@dataclass
class Hook:
    """The script that Samba calls, here a file that keeps what it was given, and our end of it."""

    desk: Desk
    store: SchoolStore
    server: Capturing
    pupil: Pupil
    box: Path

    async def run(self) -> list[bytes]:
        """Everything that Samba has to tell now."""
        for old in self.box.glob("*.ldif"):
            old.unlink()
        said = await asyncio.to_thread(self.server.tool, "--no-wait")
        found = [path.read_bytes() for path in sorted(self.box.glob("*.ldif"))]
        assert "uncaught exception" not in said, said
        return found

    async def take(self) -> list[samba_password.Dealt]:
        return [await samba_password.take(self.desk, self.store, read(ldif)) for ldif in await self.run()]


@pytest.fixture
async def hook(server: Capturing, tls_sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Hook]:
    pupil = pupil_of(server, tls_sandbox)
    at_school = await connect(options_of(server), context(server))
    in_cloud = connector(tls_sandbox, domains=[tls_sandbox.tenant.domains[0]])
    sides = {Side.SCHOOL: at_school.capabilities.passwords, Side.CLOUD: in_cloud.capabilities.passwords}
    database = open_database(f"sqlite:///{tmp_path}/state.db", clock=lambda: datetime.now(UTC))
    store = database.school("0123", KINDS)
    for side, anchor in pupil.account().anchors.items():
        page = Page(observations=(Observation("user", anchor, "1", {"display_name": "Kind"}),), token="1")
        store.fold(side, page, now=datetime.now(UTC))
    store.pair([Pair("L1", "user", pupil.anchor, pupil.user)])
    box = tmp_path / "box"
    box.mkdir()
    script = tmp_path / "hook"
    script.write_text(f'#!/bin/sh\ncat > "{box}/$$.ldif"\necho "DONE-EXIT: kept"\n')
    script.chmod(0o755)
    (server.directory / "private/user-syncpasswords-cache.ldb").unlink(missing_ok=True)
    url = f"ldapi://{server.directory}/private/ldap_priv/ldapi".replace("/", "%2F").replace("ldapi:%2F%2F", "ldapi://")
    said = server.tool("--cache-ldb-initialize", f"--attributes={WANTED}", "--decrypt-samba-gpg", f"--script={script}",
                       "-H", url)  # fmt: skip
    assert "Initialized" in said, said
    yield Hook(desk_of(database, {side: port for side, port in sides.items() if port}), store, server, pupil, box)
    await at_school.close()
    await in_cloud.close()
    database.close()


def changes_own(pupil: Pupil, old: str, new: str) -> None:
    """As a PC does it for the person who is logged on: the old one has to be given."""
    with pupil.server.connect(f"{pupil.login}@schule.lab", old) as own:
        quoted = [f'"{text}"'.encode("utf-16-le") for text in (old, new)]
        own.modify(pupil.dn, {"unicodePwd": [(ldap3.MODIFY_DELETE, quoted[:1]), (ldap3.MODIFY_ADD, quoted[1:])]})


@needs_gpg
@pytest.mark.samba
async def test_what_a_pupil_changes_at_the_pc_opens_the_cloud(hook: Hook) -> None:
    pupil = hook.pupil
    await hook.run()  # the first time Samba tells of everybody
    changes_own(pupil, FIRST, "Eigenes-Wört-12")
    (ldif,) = await hook.run()
    assert b"Eigenes" not in ldif, "an umlaut makes it base64"
    dealt = await samba_password.take(hook.desk, hook.store, read(ldif))
    assert dealt.done, "no umlauts in the cloud: to be said, not to be repeated"
    assert "cloud: old" in dealt.message
    (known,) = kept(hook.store.database, "0123")
    assert known.differs
    changes_own(pupil, "Eigenes-Wört-12", "Eigenes-Wort-12")
    (dealt,) = await hook.take()
    assert (dealt.done, "school: new, cloud: new" in dealt.message) == (True, True)
    assert [pupil.holds(side, "Eigenes-Wort-12") for side in Side] == [True, True]
    (known,) = kept(hook.store.database, "0123")
    assert not known.differs

    # only the account changed: what the person chose in the cloud meanwhile stays
    pupil.sandbox.tenant.entries[pupil.user].password = None
    pupil.server.modify(pupil.dn, userAccountControl="66048")
    (dealt,) = await hook.take()
    assert "dealt with before" in dealt.message
    assert pupil.sandbox.tenant.entries[pupil.user].password is None


@needs_gpg
@pytest.mark.samba
async def test_a_cloud_that_is_away_is_asked_again(hook: Hook) -> None:
    pupil = hook.pupil
    await hook.run()
    pupil.server.set_password(pupil.dn, "Anderes-Wort-34")
    (ldif,) = await hook.run()
    pupil.sandbox.faults.add("unavailable", method="PATCH", path="/users/")
    dealt = await samba_password.take(hook.desk, hook.store, read(ldif))
    assert not dealt.done
    assert pupil.in_cloud(FIRST)
    pupil.sandbox.faults.rules.clear()
    dealt = await samba_password.take(hook.desk, hook.store, read(ldif))
    assert dealt.done
    assert pupil.in_cloud("Anderes-Wort-34")
    assert "Anderes" not in dealt.message + "".join(str(row.entry) for row in hook.store.journal())


@needs_gpg
@pytest.mark.samba
async def test_strangers_and_newer_passwords_are_left_alone(hook: Hook) -> None:
    pupil = hook.pupil
    guid = pupil.anchor.encode()
    later = b"virtualClearTextUTF8: Aa1-sehr-altes-Wort\npwdLastSet: 100000000000000000\n"
    entry = pupil.sandbox.tenant.entries[pupil.user]
    pupil.sandbox.tenant.update(entry, {"lastPasswordChangeDateTime": "2026-01-01T00:00:00Z"})
    dealt = await samba_password.take(hook.desk, hook.store, read(b"objectGUID: " + guid + b"\n" + later))
    assert (dealt.done, "newer" in dealt.message) == (True, True)
    for other in (b"00000000-0000-4000-8000-0000000000ff", guid + b"\nisDeleted: TRUE"):
        dealt = await samba_password.take(hook.desk, hook.store, read(b"objectGUID: " + other + b"\n" + later))
        assert (dealt.done, "nothing to do" in dealt.message) == (True, True)
    assert pupil.in_cloud(FIRST)
