"""Homes made on real servers: their descriptors read back, and their owners, others and the bridge really logged in."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ldap3.protocol.formatters.formatters import format_sid

from bridge.lab.file_server import PASSWORD, USER, FileServer
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import SchoolSize, draw_school
from bridge.ports import Account, Foundation, Refused, Waiting
from connectors.rights import Ace, Descriptor, read_descriptor
from connectors.rights_of_homes import packed
from connectors.smb import Options, SmbConnector, founding
from connectors.smb.errors import ACCESS_DENIED, ServerStatus
from connectors.smb.line import (
    CREATE,
    DACL,
    DELETE,
    FILE,
    FOLDER,
    LIST,
    READ,
    READ_CONTROL,
    SHARE_ALL,
    WRITE,
    WRITE_DAC,
    Line,
)
from connectors.smb.trash import make_folder, write_small
from connectors.tree.foundation import under_way
from tests.connectors.smb.conftest import options as smb_options
from tests.connectors.smb.conftest import smb_context, start
from tests.daemon.accounts import known
from tests.servers import SambaFactory

SMALL = draw_school(3, SchoolSize(pupils=60, teachers=8, staff=3, leavers=2, newcomers=3, groups=50))
PUPILS = "Kurz.und.gut1"
FULL, CHANGE, READING, BELOW, INHERITED = 0x1F01FF, 0x1301BF, 0x1200A9, 0x3, 0x10
ADMINISTRATORS, EVERYONE, CREATOR = "S-1-5-32-544", "S-1-1-0", "S-1-3-0"


def make(wanted: Options, password: str, owner: Account, *, beside: tuple[Options, ...] = ()) -> None:
    asyncio.run(foundation(wanted, password).make(owner, beside=beside))


def foundation(wanted: Options, password: str) -> Foundation:
    context = smb_context()
    found = SmbConnector(wanted, type(context)(**{**_fields(context), "secret": lambda _: password.encode()}))
    assert found.capabilities.foundation is not None
    return found.capabilities.foundation


def _fields(context: Any) -> dict[str, Any]:
    return {name: getattr(context, name) for name in type(context).__slots__}


def descriptor(line: Line, path: str) -> Descriptor:
    with line.opened(path, access=READ_CONTROL, options=FOLDER) as handle:
        return read_descriptor(line.descriptor(handle))


def set_list(line: Line, path: str, *aces: Ace) -> None:
    with line.opened(path, access=READ_CONTROL | WRITE_DAC, options=FOLDER) as handle:
        line.set_descriptor(handle, DACL, packed(Descriptor(ADMINISTRATORS, aces), with_owner=False))


# --- a stand-alone server ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """A folder of its own on a server with two pupils."""

    server: FileServer
    folder: str

    def options(self, path: str, **more: Any) -> Options:
        return smb_options(self.server, f"{self.folder}/{path}", **more)

    def sid(self, login: str) -> str:
        """As the server has it in its books."""
        command = ["pdbedit", "-s", str(self.server.directory / "smb.conf"), "-v", "-u", login]
        environment = {**os.environ, **self.server._environment()}
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        return next(line.split()[-1] for line in out.splitlines() if line.startswith("User SID"))

    def line(self, login: str = USER, path: str = "") -> Line:
        password = PASSWORD if login == USER else PUPILS
        wanted = self.options(path).model_copy(update={"username": login, "root": f"{self.folder}/{path}".strip("/")})
        return Line(wanted, password)

    @property
    def disk(self) -> Path:
        return self.server.share("daten") / self.folder


@pytest.fixture(scope="module", params=["acl_xattr", ""], ids=["windows", "linux"])
def server(request: pytest.FixtureRequest) -> Iterator[FileServer]:
    """One that keeps Windows' permissions, and one that has those of Linux only."""
    users = {USER: PASSWORD, "anna": PUPILS, "berta": PUPILS}
    with start(users=users, options={"vfs objects": request.param}) as one:
        yield one


@pytest.fixture
def standing(server: FileServer, tmp_path: Path) -> Standing:
    one = Standing(server, f"homes-{tmp_path.name}")
    one.disk.mkdir()
    one.disk.chmod(0o755)
    return one


def test_the_owner_may_do_everything_and_nobody_else_anything(standing: Standing) -> None:
    sid = standing.sid("anna")
    make(standing.options("5a/anna"), PASSWORD, Account("anna", sid))
    found = descriptor(standing.line(), "5a/anna")
    assert found.owner == sid
    assert Ace(0, BELOW, FULL, sid) in (found.aces or ())
    assert not [one for one in found.aces or () if one.sid == EVERYONE and one.mask & 0x1 and one.kind == 0]
    anna = standing.line("anna", "5a/anna")
    write_small(anna, "Aufsatz.odt", b"Es war einmal")
    with pytest.raises(ServerStatus) as refused:
        standing.line("berta", "5a/anna").list("")
    assert refused.value.code == ACCESS_DENIED
    ours = standing.line(path="5a/anna")
    with ours.opened("Aufsatz.odt", access=READ | DELETE, share=SHARE_ALL, options=FILE) as handle:
        assert ours.read(handle, 0, 99) == b"Es war einmal"
    assert [path.name for path in standing.disk.rglob("*")] == ["5a", "anna", "Aufsatz.odt"]


def test_a_folder_that_is_there_is_left_as_it_is(standing: Standing) -> None:
    (standing.disk / "anna").mkdir()
    before = descriptor(standing.line(), "anna")
    make(standing.options("anna"), PASSWORD, Account("anna", standing.sid("anna")))
    assert descriptor(standing.line(), "anna") == before
    assert [path.name for path in standing.disk.iterdir()] == ["anna"]


@pytest.mark.parametrize(
    ("sid", "error", "words"),
    [
        ("", Waiting, "does not tell the SID"),
        ("Anna", Refused, "is none"),
        ("S-1-5-21-99999999999-1-2-3", Refused, "is none"),
    ],
)
def test_without_a_sid_nothing_is_made(standing: Standing, sid: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make(standing.options("anna"), PASSWORD, Account("anna", sid))
    assert list(standing.disk.iterdir()) == []


def test_a_folder_in_another_class_is_not_doubled(standing: Standing) -> None:
    (standing.disk / "5a" / "anna").mkdir(parents=True)
    with pytest.raises(Waiting, match=r"lies at .*\\5a\\anna"):
        make(
            standing.options("6a/anna"), PASSWORD, Account("anna", standing.sid("anna")),
            beside=(standing.options("5a/anna"),),
        )  # fmt: skip
    assert not (standing.disk / "6a").exists()


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


_STEPS = ["_made", "_give", "_read_back", "_rename"]


@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_leaves_no_home_that_others_can_read_and_the_next_try_ends_it(
    standing: Standing, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    real: Callable[..., Any] = getattr(founding, step)

    def dies(*args: Any, **kwargs: Any) -> Any:
        if after:
            real(*args, **kwargs).__enter__() if step == "_made" else real(*args, **kwargs)
        args[0].close()  # the line ends with the process: nothing is cleared up
        raise Killed

    account = Account("anna", standing.sid("anna"))
    with monkeypatch.context() as own:
        own.setattr(founding, step, dies)
        with pytest.raises(Killed):
            make(standing.options("anna"), PASSWORD, account)
    names = [one.name for one in standing.disk.iterdir()]
    assert names in ([], ["anna"], [under_way("anna")])
    if names == ["anna"]:
        assert step == "_rename"
        with pytest.raises(ServerStatus):
            standing.line("berta", "anna").list("")
    make(standing.options("anna"), PASSWORD, account)
    assert [one.name for one in standing.disk.iterdir()] == ["anna"], "nothing is left of the first try"
    assert descriptor(standing.line(), "anna").owner == account.sid


def test_what_somebody_put_into_the_rest_of_a_crash_is_not_removed(standing: Standing) -> None:
    left = standing.disk / under_way("anna")
    left.mkdir()
    (left / "mein.txt").write_text("mein")
    with pytest.raises(Refused, match=under_way("anna")):
        make(standing.options("anna"), PASSWORD, Account("anna", standing.sid("anna")))
    assert (left / "mein.txt").read_text() == "mein"
    assert not (standing.disk / "anna").exists()


async def identity(standing: Standing, path: str) -> str:
    connector = SmbConnector(standing.options(path), smb_context())
    try:
        return (await connector.identify()).id
    finally:
        await connector.close()


def test_a_home_is_moved_by_its_identity_and_over_nothing(standing: Standing) -> None:
    home = standing.disk / "5a" / "anna"
    home.mkdir(parents=True)
    (home / "Aufsatz.odt").write_text("mein")
    id_ = asyncio.run(identity(standing, "5a/anna"))

    def move(to: str, *, known: str = id_, old: str = "5a/anna") -> None:
        asyncio.run(foundation(standing.options(to), PASSWORD).move(standing.options(old), known))

    with pytest.raises(Waiting, match="not the known folder"):
        move("6a/anna", known="0-1")
    with pytest.raises(Waiting, match="not there any more"):
        move("6a/anna", old="7a/anna")
    (standing.disk / "6b" / "anna").mkdir(parents=True)
    with pytest.raises(Waiting, match="something is there"):
        move("6b/anna")
    assert home.exists()
    move("6a/anna")
    assert asyncio.run(identity(standing, "6a/anna")) == id_
    assert (standing.disk / "6a" / "anna" / "Aufsatz.odt").read_text() == "mein"
    assert not home.exists()


# --- a member of the domain: Windows' permissions, accounts of the directory ------------------------------------------


@dataclass(frozen=True)
class Domain:
    """The file service of a real domain controller, with a folder ``homes`` whose rights the Administrator set."""

    server: SchoolServer
    pupils: tuple[str, str]

    def sid(self, login: str) -> str:
        (found,) = self.server.find(f"(sAMAccountName={login})", ("objectSid",), self.server.base)
        return str(format_sid(found.attributes["objectSid"][0]))

    @property
    def bridge(self) -> str:
        return self.server.reader_upn

    def options(self, path: str, username: str = "") -> Options:
        return Options(
            server=self.server.ip, share="daten", root=path, username=username or self.bridge,
            password="credential:smb",
        )  # fmt: skip

    def line(self, login: str, path: str) -> Line:
        passwords = {
            self.bridge: self.server.reader_password,
            self.server.administrator_upn: self.server.administrator_password,
        }
        name = login if "@" in login else f"{login}@schule.lab"
        return Line(self.options(path, name), passwords.get(name, PUPILS))

    @property
    def disk(self) -> Path:
        return self.server.directory / "shares" / "daten" / "homes"


@pytest.fixture
def domain(samba_dc: SambaFactory) -> Domain:
    server = samba_dc(school=SMALL, smb=True, password=PUPILS)
    pupils = [one.login for one in server.school.people if one.role == "pupil"]
    one = Domain(server, (pupils[0], pupils[1]))
    bridge = server.reader_dn.split(",")[0].removeprefix("CN=")
    administrator = one.line(server.administrator_upn, ".")
    make_folder(administrator, "homes")
    domain_users = one.sid("Domain Users")
    set_list(
        administrator, "homes", Ace(0, BELOW, FULL, ADMINISTRATORS), Ace(0, BELOW, CHANGE, one.sid(bridge)),
        Ace(0, BELOW, READING, domain_users), Ace(0, BELOW | 0x8, FULL, CREATOR),
    )  # fmt: skip
    return one


def check_logins(domain: Domain, path: str) -> None:
    """The owner works in it, another pupil gets nowhere, the bridge reads and deletes."""
    anna, berta = domain.pupils
    line = domain.line(anna, path)
    write_small(line, "Aufsatz.odt", b"Es war einmal")
    make_folder(line, "Bilder")
    with pytest.raises(ServerStatus) as refused:
        domain.line(berta, path).list("")
    assert refused.value.code == ACCESS_DENIED
    ours = domain.line(domain.bridge, path)
    assert sorted(ours.list("")[1].names) == ["Aufsatz.odt", "Bilder"]
    with ours.opened("Aufsatz.odt", access=READ | DELETE, share=SHARE_ALL, options=FILE) as handle:
        assert ours.read(handle, 0, 99) == b"Es war einmal"
    with ours.opened("Bilder/hin.txt", access=WRITE, disposition=CREATE, options=FILE) as handle:
        ours.write(handle, 0, b"aus der Cloud")
    with line.opened("Bilder/hin.txt", access=READ | DELETE, share=SHARE_ALL, options=FILE) as handle:
        assert line.read(handle, 0, 99) == b"aus der Cloud"


@pytest.mark.samba
def test_a_domain_account_is_let_in_by_its_sid_and_other_pupils_are_not(domain: Domain) -> None:
    anna = domain.pupils[0]
    make(domain.options(f"homes/5a/{anna}"), domain.server.reader_password, Account(anna, domain.sid(anna)))
    above = descriptor(domain.line(domain.server.administrator_upn, "homes"), "5a")
    assert Ace(0, BELOW | INHERITED, READING, domain.sid("Domain Users")) in (above.aces or ())
    found = descriptor(domain.line(domain.server.administrator_upn, "homes"), f"5a/{anna}")
    assert found.protected, "Domain Users could read what is above it"
    mine = {one.sid: one for one in found.aces or ()}
    assert mine[domain.sid(anna)] == Ace(0, BELOW, FULL, domain.sid(anna))
    assert domain.sid("Domain Users") not in mine
    assert EVERYONE not in mine
    assert mine[ADMINISTRATORS].mask == FULL
    check_logins(domain, f"homes/5a/{anna}")


@pytest.mark.samba
def test_with_the_privilege_the_person_becomes_the_owner(domain: Domain) -> None:
    anna, server = domain.pupils[0], domain.server
    wanted = domain.options(f"homes/{anna}", server.administrator_upn)
    make(wanted, server.administrator_password, Account(anna, domain.sid(anna)))
    assert descriptor(domain.line(server.administrator_upn, "homes"), anna).owner == domain.sid(anna)
    check_logins(domain, f"homes/{anna}")


@pytest.mark.samba
def test_a_home_in_which_the_bridge_could_not_work_is_not_made(domain: Domain) -> None:
    anna, server = domain.pupils[0], domain.server
    bridge = domain.sid(server.reader_dn.split(",")[0].removeprefix("CN="))
    administrator = domain.line(server.administrator_upn, ".")
    # Enough to make folders here, and nothing for what is below.
    set_list(administrator, "homes", Ace(0, BELOW, FULL, ADMINISTRATORS), Ace(0, 0, CHANGE, bridge))
    with pytest.raises(Refused, match="could not get into it"):
        make(domain.options(f"homes/{anna}"), server.reader_password, Account(anna, domain.sid(anna)))
    assert list(domain.disk.iterdir()) == []
    set_list(administrator, "homes", Ace(0, BELOW, FULL, ADMINISTRATORS), Ace(0, BELOW, READING, bridge))
    with pytest.raises(Refused, match="access denied"):
        make(domain.options(f"homes/{anna}"), server.reader_password, Account(anna, domain.sid(anna)))
    assert list(domain.disk.iterdir()) == []


@pytest.mark.samba
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write security.NTACL")
def test_a_home_made_on_the_disk_beside_samba_is_the_same_over_smb(domain: Domain, tmp_path: Path) -> None:
    """The connector folder, where Samba keeps Windows' permissions: the descriptor that it writes is Samba's own."""
    anna, server = domain.pupils[0], domain.server
    domain.disk.chmod(0o777)
    (domain.disk / "probe").mkdir(mode=0o777)
    (domain.disk / "probe").chmod(0o777)
    set_list(domain.line(server.administrator_upn, "homes"), "probe", Ace(0, BELOW, FULL, EVERYONE))
    write_small(domain.line(anna, "homes/probe"), "wer.txt", b"")
    uid = (domain.disk / "probe" / "wer.txt").stat().st_uid
    environment = known(tmp_path, [anna])
    passwd = tmp_path / "passwd"
    passwd.write_text(passwd.read_text().replace(f"{anna}:x:20000:", f"{anna}:x:{uid}:"))
    script = (
        "import sys; from pathlib import Path; from bridge.ports import Account; "
        "from connectors.folder import Options, founding; base, login, sid = sys.argv[1:]; "
        "founding.make(Options(base=Path(base), root=f'5a/{login}'), Account(login, sid), ())"
    )
    command = [sys.executable, "-c", script, str(domain.disk), anna, domain.sid(anna)]
    subprocess.run(command, env={**os.environ, **environment}, check=True)
    administrator = domain.line(server.administrator_upn, "homes")
    found = descriptor(administrator, f"5a/{anna}")
    assert found.owner == domain.sid(anna)
    assert found.protected
    mine = {one.sid for one in found.aces or ()}
    assert domain.sid("Domain Users") not in mine
    assert {domain.sid(anna), ADMINISTRATORS} <= mine
    above = descriptor(administrator, "5a")
    assert {one.sid for one in above.aces or () if one.flags & INHERITED} >= {ADMINISTRATORS}
    line = domain.line(anna, f"homes/5a/{anna}")
    write_small(line, "Aufsatz.odt", b"Es war einmal")
    with line.opened("", access=LIST | WRITE, options=FOLDER):
        pass
    with pytest.raises(ServerStatus) as refused:
        domain.line(domain.pupils[1], f"homes/5a/{anna}").list("")
    assert refused.value.code == ACCESS_DENIED
