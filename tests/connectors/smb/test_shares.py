"""What people and programs do on a share of a real Samba, and what the connector makes of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Action, Digest, Evidence
from bridge.lab.file_server import PASSWORD, FileServer
from bridge.ports import (
    Busy,
    ConfigurationError,
    ContentChanged,
    Failed,
    Refused,
    Unreachable,
    Waiting,
    Write,
    Written,
)
from connectors.quickxor import QuickXor
from connectors.smb import SmbConnector
from connectors.smb.line import CREATE, DELETE, FILE, READ, SHARE_ALL, SHARE_READ, WRITE, Line
from connectors.smb.trash import rename, write_small
from connectors.tree.rules import OURS
from tests.conformance.base import Seen, creation, watch, write, written
from tests.connectors.smb.conftest import Rig, options, rig, smb_context, start


class Body:
    """A source of bytes; ``after`` is called when they were all given out."""

    digest = None

    def __init__(self, body: bytes, *, changes: bool = False) -> None:
        self._body, self._changes = body, changes

    @property
    def size(self) -> int:
        return len(self._body)

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        for place in range(start, len(self._body), 1 << 20):
            yield self._body[place : place + (1 << 20)]
        if self._changes:
            raise ContentChanged("it changed")


def quickxor(body: bytes) -> Digest:
    running = QuickXor()
    running.update(body)
    return Digest("quickxor", running.hexdigest(), len(body))


def file(name: str, body: bytes, *, id: str = "w1", parent: str | None = None) -> Write:  # noqa: A002
    fields = {"parent": parent, "name": name, "content": quickxor(body), "modified": "2026-05-04T03:02:01Z"}
    return Write(id, "file", Action.CREATE, None, fields, content=Body(body))


@pytest.fixture
async def share(file_server: FileServer, tmp_path: Path) -> AsyncIterator[Rig]:
    async for one in rig(file_server, tmp_path):
        yield one


def visible(folder: Path) -> dict[str, bytes]:
    """Files below a folder by path, without what is ours."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(OURS) for part in path.relative_to(folder).parts)
    }


def trashed(folder: Path) -> list[bytes]:
    return [
        one.read_bytes()
        for one in (folder / ".schoolbridge-trash").rglob("*")
        if one.name != "origin.json" and one.is_file()
    ]


async def bytes_of(connector: SmbConnector, anchor: str, version: str, start: int = 0) -> bytes:
    contents = connector.capabilities.contents
    assert contents is not None
    return b"".join([piece async for piece in contents.source(anchor, version).chunks(start)])


# --- seeing -----------------------------------------------------------------------------------------------------------


async def test_moves_keep_anchors_of_files_and_of_what_is_in_folders(share: Rig) -> None:
    (share.folder / "a" / "b").mkdir(parents=True)
    (share.folder / "c").mkdir()
    (share.folder / "a" / "b" / "x.txt").write_text("x")
    (share.folder / "y.txt").write_text("y")
    seen = await watch(share.connector)
    by_name = {fields["name"]: anchor for anchor, fields in seen.records.items()}
    (share.folder / "a" / "b").rename(share.folder / "c" / "B neu")
    (share.folder / "y.txt").rename(share.folder / "c" / "y2.txt")
    share.connector.sight._lost = True  # moved on the server's own disk: that is not told
    after = await watch(share.connector, seen.token)
    assert after.gone == {}
    assert after.records[by_name["b"]] == {"parent": by_name["c"], "name": "B neu"}
    assert after.records[by_name["y.txt"]]["name"] == "y2.txt"
    assert by_name["x.txt"] not in after.records, "what is in a moved folder is not touched"


async def test_office_safe_save_keeps_the_anchor(share: Rig) -> None:
    (share.folder / "Brief.docx").write_bytes(b"alt")
    seen = await watch(share.connector)
    (anchor,) = seen.records
    # What Word does: a new file, the old one away, the new one in its place, the old one deleted.
    write_small(share.line, "~WRD0001.tmp", b"neu und laenger")
    for old, new in (("Brief.docx", "~WRL0002.tmp"), ("~WRD0001.tmp", "Brief.docx")):
        with share.line.opened(old, access=DELETE) as handle:
            rename(share.line, handle, new)
    (share.folder / "~WRL0002.tmp").unlink()
    await share.told()
    after = await watch(share.connector, seen.token)
    assert after.gone == {}
    assert list(after.records) == [anchor]
    assert after.records[anchor]["content"] != seen.records[anchor]["content"]
    assert await bytes_of(share.connector, anchor, after.versions[anchor]) == b"neu und laenger"


async def test_both_unicode_forms_and_long_paths_are_told_as_they_are(share: Rig) -> None:
    deep = share.folder / "Ordner äöü" / ("l" * 120) / ("m" * 120) / ("n" * 120)
    deep.mkdir(parents=True)
    names = ["M\u00fcller.txt", "Mu\u0308ller.txt", "e\u0301t\u00e9 \U0001f600.txt"]
    for name in names:
        (deep / name).write_text(name)
    seen = await watch(share.connector)
    told = {str(fields["name"]): anchor for anchor, fields in seen.records.items()}
    assert set(names) <= set(told)
    for name in names:
        assert await bytes_of(share.connector, told[name], seen.versions[told[name]]) == name.encode()
    done = await written(
        share.connector, file("Gr\u00f6\u00dfe.txt", b"1", parent=seen.records[told[names[0]]]["parent"])
    )  # type: ignore[arg-type]
    assert (deep / "Gr\u00f6\u00dfe.txt").read_bytes() == b"1"
    assert done.anchor


async def test_links_are_reported_and_not_followed_round_and_round(share: Rig) -> None:
    (share.folder / "d").mkdir()
    (share.folder / "d" / "f.txt").write_text("f")
    (share.folder / "d" / "kreis").symlink_to("..")
    (share.folder / "hinaus").symlink_to("/etc")
    seen = await watch(share.connector)
    assert sorted(str(fields["name"]) for fields in seen.records.values()) == ["d", "f.txt"]
    (warning,) = seen.pages[-1].warnings
    assert "link" in warning
    assert "d/kreis" in warning


async def test_five_thousand_files_are_listed_whole(share: Rig) -> None:
    for number in range(5000):
        (share.folder / f"{number:05} Arbeitsblatt.txt").touch()
    seen = await watch(share.connector)
    assert len(seen.records) == 5000
    assert seen.pages[-1].complete


async def test_the_server_hints(share: Rig) -> None:
    seen = await watch(share.connector)
    hints = share.connector.hints()
    coming = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(0)
    write_small(share.line, "neu.txt", b"neu")
    await asyncio.wait_for(coming, 10)
    after = await watch(share.connector, seen.token)
    assert [fields["name"] for fields in after.records.values()] == ["neu.txt"]
    await hints.aclose()  # type: ignore[attr-defined]


async def test_a_hint_costs_one_folder_and_not_the_tree(share: Rig) -> None:
    for number in range(30):
        (share.folder / f"k{number}").mkdir()
    seen = await watch(share.connector)
    write_small(share.line, "k7/neu.txt", b"neu")
    await share.told()
    await asyncio.to_thread(share.connector.storage.identity)
    looked = await asyncio.to_thread(share.connector.sight.look, everything=False)
    assert 1 <= looked.folders <= 3
    assert (await watch(share.connector, seen.token)).records


async def test_an_overflow_means_a_look_at_everything(share: Rig) -> None:
    seen = await watch(share.connector)
    watching = share.connector.storage.watch
    assert watching is not None
    (share.folder / "tief").mkdir()
    (share.folder / "tief" / "still.txt").write_text("auf der Platte des Servers")
    watching._take([])
    after = await watch(share.connector, seen.token)
    assert "still.txt" in {fields["name"] for fields in after.records.values()}


# --- writing ----------------------------------------------------------------------------------------------------------


async def test_content_is_written_with_its_time_and_can_be_read_back(share: Rig) -> None:
    body = os.urandom(3_000_000)
    await watch(share.connector)
    done = await written(share.connector, file("groß.bin", body))
    assert visible(share.folder) == {"groß.bin": body}
    assert (share.folder / "groß.bin").stat().st_mtime == 1_777_863_721
    assert done.content == quickxor(body)
    seen = await watch(share.connector)
    assert seen.versions[done.anchor] == done.version
    assert seen.records[done.anchor]["content"] == done.shown
    assert await bytes_of(share.connector, done.anchor, done.version, 1_500_000) == body[1_500_000:]
    contents = share.connector.capabilities.contents
    assert contents is not None
    assert [one async for one in contents.digests([(done.anchor, done.version)])] == [(done.anchor, quickxor(body))]


async def test_an_update_keeps_the_old_version_in_the_trash_and_the_anchor(share: Rig) -> None:
    (share.folder / "a.txt").write_bytes(b"alt")
    seen = await watch(share.connector)
    (anchor,) = seen.records
    change = Write(
        "w1", "file", Action.UPDATE, anchor, {"content": quickxor(b"neu"), "name": "b.txt"},
        expected=seen.versions[anchor], content=Body(b"neu"),
    )  # fmt: skip
    done = await written(share.connector, change)
    assert done.anchor == anchor
    assert visible(share.folder) == {"b.txt": b"neu"}
    assert trashed(share.folder) == [b"alt"]
    again = await watch(share.connector, seen.token)
    assert list(again.records) == [anchor]
    assert again.versions[anchor] == done.version
    assert again.gone == {}


@pytest.mark.parametrize("changed", ["content that broke off", "a person was faster"])
async def test_nothing_is_committed_half(share: Rig, changed: str) -> None:
    (share.folder / "a.txt").write_bytes(b"alt")
    seen = await watch(share.connector)
    (anchor,) = seen.records
    body = Body(b"neu", changes=changed == "content that broke off")
    if changed == "a person was faster":
        (share.folder / "a.txt").write_bytes(b"mensch")
    change = Write("w1", "file", Action.UPDATE, anchor, {}, expected=seen.versions[anchor], content=body)
    outcome = (await write(share.connector, change))["w1"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == ("changed" if changed == "content that broke off" else "stale")
    assert visible(share.folder) == {"a.txt": b"alt" if changed == "content that broke off" else b"mensch"}
    assert [one.name for one in share.folder.iterdir() if one.name.startswith(f"{OURS}part")] == []


async def test_an_open_file_is_busy(share: Rig) -> None:
    (share.folder / "a.txt").write_bytes(b"alt")
    seen = await watch(share.connector)
    (anchor,) = seen.records
    version = seen.versions[anchor]
    with share.line.opened("a.txt", access=READ | WRITE, share=SHARE_READ, options=FILE):
        change = Write("w1", "file", Action.UPDATE, anchor, {}, expected=version, content=Body(b"neu"))
        delete = Write("w2", "file", Action.DELETE, anchor, expected=version)
        outcomes = await write(share.connector, change, delete)
        assert [one.cause for one in outcomes.values() if isinstance(one, Failed)] == ["busy", "busy"]
        with pytest.raises(Busy):
            await bytes_of(share.connector, anchor, version)
    assert visible(share.folder) == {"a.txt": b"alt"}
    await written(share.connector, change)
    assert visible(share.folder) == {"a.txt": b"neu"}


async def test_somebody_may_save_while_a_file_is_read(share: Rig) -> None:
    (share.folder / "a.bin").write_bytes(b"a" * (3 << 20))
    seen = await watch(share.connector)
    (anchor,) = seen.records
    contents = share.connector.capabilities.contents
    assert contents is not None
    chunks = contents.source(anchor, seen.versions[anchor]).chunks()
    await anext(chunks)
    with share.line.opened("a.bin", access=WRITE, share=SHARE_ALL, options=FILE) as handle:
        share.line.write(handle, 0, b"neu")
    with pytest.raises(ContentChanged):
        async for _ in chunks:
            pass


async def test_a_taken_or_impossible_name_is_refused(share: Rig) -> None:
    (share.folder / "Da.txt").write_bytes(b"da")
    await watch(share.connector)
    names = ["da.TXT", "a:b.txt", "punkt.", "x" * 256]
    outcomes = await write(share.connector, *(file(name, b"neu", id=name) for name in names))
    causes = {name: one.cause for name, one in outcomes.items() if isinstance(one, Failed)}
    assert causes == {"da.TXT": "name_taken", **dict.fromkeys(names[1:], "name_refused")}
    assert visible(share.folder) == {"Da.txt": b"da"}


async def test_a_rename_that_changes_the_case_only(share: Rig) -> None:
    (share.folder / "klein.txt").write_bytes(b"k")
    seen = await watch(share.connector)
    (anchor,) = seen.records
    await written(share.connector, Write("w1", "file", Action.UPDATE, anchor, {"name": "KLEIN.txt"}))
    assert visible(share.folder) == {"KLEIN.txt": b"k"}


async def test_a_folder_goes_only_when_nothing_is_in_it(share: Rig) -> None:
    (share.folder / "k").mkdir()
    (share.folder / "k" / "Thumbs.db").write_bytes(b"t")
    (share.folder / "k" / "a.txt").write_bytes(b"a")
    seen = await watch(share.connector)
    folder = next(anchor for anchor, kind in seen.kinds.items() if kind == "folder")
    gone = Write("w1", "folder", Action.DELETE, folder, expected=seen.versions[folder])
    outcome = (await write(share.connector, gone))["w1"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "not_empty"
    (share.folder / "k" / "a.txt").unlink()
    await written(share.connector, gone)
    assert not (share.folder / "k").exists()
    await written(share.connector, Write("w2", "folder", Action.RESTORE, folder))
    assert (share.folder / "k" / "Thumbs.db").read_bytes() == b"t"


@pytest.mark.parametrize("new", [False, True])
async def test_an_edit_right_after_the_last_step_is_a_change_of_what_was_written(share: Rig, new: bool) -> None:
    """Taken for ours it would never reach the other side."""
    from connectors.smb.parts import Part

    if not new:
        (share.folder / "a.txt").write_bytes(b"alt")
    seen, real = await watch(share.connector), Part.place

    def edited(part: Part, path: str) -> None:
        real(part, path)
        (share.folder / "a.txt").write_bytes(b"ihres")

    wanted = file("a.txt", b"neu")
    if not new:
        (anchor,) = seen.records
        fields = {"content": quickxor(b"neu"), "modified": "2026-05-04T03:02:01Z"}
        wanted = Write(
            "w1", "file", Action.UPDATE, anchor, fields, expected=seen.versions[anchor], content=Body(b"neu")
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Part, "place", edited)
        done = await written(share.connector, wanted)
    assert done.content == quickxor(b"neu")
    assert (await watch(share.connector, seen.token)).versions[done.anchor] != done.version
    assert visible(share.folder) == {"a.txt": b"ihres"}


async def test_an_exchange_that_a_crash_cut_in_two_is_undone_before_anything_is_seen(share: Rig) -> None:
    (share.folder / "a.txt").write_bytes(b"alt")
    seen = await watch(share.connector)
    (anchor,) = seen.records

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    from connectors.smb.parts import Part

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Part, "place", killed)
        # A killed process does not put things back either.
        real = rename
        calls: list[str] = []

        def once(line: Line, handle: object, path: str) -> None:
            calls.append(path)
            if len(calls) > 1:
                raise Killed
            real(line, handle, path)  # type: ignore[arg-type]

        patch.setattr("connectors.smb.hands.rename", once)
        change = Write("w1", "file", Action.UPDATE, anchor, {}, expected=seen.versions[anchor], content=Body(b"neu"))
        with pytest.raises(Killed):
            await write(share.connector, change)
    assert visible(share.folder) == {}
    after = await watch(share.connector)
    assert visible(share.folder) == {"a.txt": b"alt"}
    assert anchor in after.records
    assert after.gone == {}


# --- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_server_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    with start() as server:
        async for one in rig(server, tmp_path):
            (one.folder / "a.txt").write_bytes(b"a")
            (one.folder / "b.txt").write_bytes(b"b")
            seen = await watch(one.connector)
            identity = await one.connector.identify()
            server.outage()
            lost = Seen()
            with pytest.raises(Unreachable):
                await watch(one.connector, seen.token, seen=lost)
            assert lost.pages == []
            with pytest.raises(Unreachable):
                await write(one.connector, file("c.txt", b"c"))
            (one.folder / "b.txt").unlink()
            server.restart()
            after = await watch(one.connector, seen.token)
            assert list(after.gone.values()) == [Evidence.DELETED]
            assert await one.connector.identify() == identity
            await written(one.connector, file("c.txt", b"c"))
            one.line.close()
            one.line = Line(one.connector.options, PASSWORD)
            write_small(one.line, "d.txt", b"d")
            await one.told()
            assert "d.txt" in {f["name"] for f in (await watch(one.connector, after.token)).records.values()}


async def test_a_root_that_is_another_folder_now_proves_nothing(share: Rig) -> None:
    (share.folder / "a.txt").write_bytes(b"a")
    seen = await watch(share.connector)
    share.folder.rename(share.folder.with_name(f"{share.folder.name} alt"))
    share.folder.mkdir()
    with pytest.raises(Unreachable, match="not the folder it was"):
        await watch(share.connector, seen.token)


async def test_wrong_password_share_and_folder_are_told_apart(file_server: FileServer, tmp_path: Path) -> None:
    here = options(file_server, "")
    for wanted, password, error in (
        (here, b"falsch", Refused),
        (here.model_copy(update={"share": "gibtesnicht"}), PASSWORD.encode(), ConfigurationError),
        (here.model_copy(update={"root": "gibt/es/nicht"}), PASSWORD.encode(), Waiting),
        (here.model_copy(update={"port": 1}), PASSWORD.encode(), Unreachable),
    ):
        context = smb_context(tmp_path)
        connector = SmbConnector(wanted, context.__class__(**{
            **{name: getattr(context, name) for name in context.__slots__}, "secret": lambda _, p=password: p,
        }))  # fmt: skip
        with pytest.raises(error) as caught:
            await connector.identify()
        assert "falsch" not in str(caught.value)
        assert not all(finding.ok for finding in await connector.check())
        await connector.close()


async def test_a_full_disk_is_a_quota_and_changes_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk))
    if await mounted.wait():
        pytest.skip("a small disk can't be mounted here")
    try:
        with start(shares={"daten": disk}) as server:
            async for one in rig(server, tmp_path):
                (one.folder / "a.txt").write_bytes(b"alt")
                seen = await watch(one.connector)
                (anchor,) = seen.records
                body = os.urandom(4 << 20)
                change = Write(
                    "w1", "file", Action.UPDATE, anchor, {}, expected=seen.versions[anchor], content=Body(body)
                )
                outcome = (await write(one.connector, change))["w1"]
                assert isinstance(outcome, Failed)
                assert outcome.cause == "quota"
                assert outcome.transient
                assert visible(one.folder) == {"a.txt": b"alt"}
                assert isinstance((await write(one.connector, file("klein.txt", b"1")))["w1"], Written)
    finally:
        await (await asyncio.create_subprocess_exec("umount", "-l", str(disk))).wait()


async def test_what_may_not_be_written_is_denied(share: Rig) -> None:
    seen = await watch(share.connector)
    assert seen.pages[-1].complete
    with share.line.opened("a.txt", disposition=CREATE, options=FILE):
        pass
    with pytest.MonkeyPatch.context() as patch:
        from connectors.smb import errors, parts

        def denied(*_: object, **__: object) -> None:
            raise errors.ServerStatus(errors.ACCESS_DENIED)

        patch.setattr(parts.Part, "begin", denied)
        outcome = (await write(share.connector, file("neu.txt", b"1")))["w1"]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "denied"


async def test_encryption_is_used_where_it_is_asked_for(file_server: FileServer, tmp_path: Path) -> None:
    async for one in rig(file_server, tmp_path, encrypt=True):
        assert one.line.encrypted
        await written(one.connector, creation("folder", {"name": "k"}))
        findings = {finding.subject.rpartition(" ")[2]: finding for finding in await one.connector.check()}
        assert findings["encryption"].ok
        assert findings["signing"].ok
        assert findings["rights"].ok
        assert "permissions" in findings
