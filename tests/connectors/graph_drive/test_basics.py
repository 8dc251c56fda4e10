"""Observing, writing and reading of one drive, as the sandbox's own state sees it."""

from __future__ import annotations

from collections.abc import Callable

from bridge.core.model import Action, Evidence
from bridge.ports import Failed, Write, Written
from connectors.graph_drive import DriveConnector
from tests.connectors.graph_drive.conftest import Cloud
from tests.connectors.graph_drive.kit import (
    STEP,
    WHEN,
    content_of,
    digest,
    done,
    new_content,
    new_file,
    new_folder,
    outcomes,
    pages,
    plant,
)

Connect = Callable[..., DriveConnector]


async def test_a_file_goes_up_with_its_time_in_one_version(cloud: Cloud, drive: DriveConnector) -> None:
    content = bytes(range(256)) * 5000
    written = await done(drive, new_file("Brief.docx", content))
    item = cloud.home.items[written.anchor]
    assert (item.name, content_of(cloud.sandbox, item), item.versions) == ("Brief.docx", content, [])
    assert written.content == digest(content)
    assert written.shown is None
    assert written.version == item.e_tag
    [page] = await pages(drive)
    assert page.complete
    [seen] = page.observations
    assert seen.fields == {"name": "Brief.docx", "content": digest(content), "modified": WHEN}


async def test_empty_and_odd_sizes(cloud: Cloud, drive: DriveConnector) -> None:
    for size in (0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP):
        content = b"\x07" * size
        written = await done(drive, new_file(f"f{size}", content))
        assert content_of(cloud.sandbox, cloud.home.items[written.anchor]) == content
        assert written.content == digest(content)
        assert cloud.home.items[written.anchor].client_modified == 1788242400


async def test_new_content_with_the_right_version_only(cloud: Cloud, drive: DriveConnector) -> None:
    first = await done(drive, new_file("a.txt", b"one"))
    second = await done(drive, new_content(first.anchor, b"two!", first.version))
    assert content_of(cloud.sandbox, cloud.home.items[first.anchor]) == b"two!"
    assert second.anchor == first.anchor
    stale = (await outcomes(drive, new_content(first.anchor, b"three", first.version)))[first.anchor]
    assert isinstance(stale, Failed)
    assert stale.cause == "stale"
    assert content_of(cloud.sandbox, cloud.home.items[first.anchor]) == b"two!"


async def test_a_folder_of_many_is_moved_by_one_request(cloud: Cloud, drive: DriveConnector) -> None:
    folder, other = [await done(drive, new_folder(name)) for name in ("x", "y")]
    for n in range(30):
        plant(cloud.sandbox, cloud.home.items[folder.anchor], f"f{n}")
    before = cloud.sent()
    place = {"parent": other.anchor, "name": "z"}
    await done(drive, Write("m", "folder", Action.UPDATE, folder.anchor, place, expected=folder.version))
    assert cloud.sent() - before == 1
    assert cloud.home.items[folder.anchor].path() == "/y/z"
    back = Write("m", "folder", Action.UPDATE, folder.anchor, {"parent": None})
    await done(drive, back)
    assert cloud.home.items[folder.anchor].path() == "/z"


async def test_deleting_needs_the_version_and_an_empty_folder(cloud: Cloud, drive: DriveConnector) -> None:
    folder = await done(drive, new_folder("x"))
    item = plant(cloud.sandbox, cloud.home.items[folder.anchor], "late.txt")
    token = (await pages(drive))[-1].token
    refused = (await outcomes(drive, Write("d", "folder", Action.DELETE, folder.anchor)))["d"]
    assert isinstance(refused, Failed)
    assert refused.cause == "not_empty"
    stale = (await outcomes(drive, Write("d", "file", Action.DELETE, item.id, expected='"{x},9"')))["d"]
    assert isinstance(stale, Failed)
    assert stale.cause == "stale"
    await done(drive, Write("d", "file", Action.DELETE, item.id, expected=item.e_tag))
    await done(drive, Write("d", "folder", Action.DELETE, folder.anchor))
    removals = [one for page in await pages(drive, token) for one in page.removals]
    assert {one.anchor for one in removals} == {folder.anchor, item.id}
    assert {one.evidence for one in removals} == {Evidence.DELETED}
    back = await done(drive, Write("r", "folder", Action.RESTORE, folder.anchor, {"name": "again"}))
    assert back.anchor == folder.anchor
    assert cloud.home.items[folder.anchor].path() == "/again"


async def test_a_taken_name_is_said_and_the_same_file_adopted(cloud: Cloud, drive: DriveConnector) -> None:
    plant(cloud.sandbox, cloud.home.root, "a.txt", b"theirs")
    same = plant(cloud.sandbox, cloud.home.root, "b.txt", b"the same")
    found = await outcomes(drive, new_file("a.txt", b"ours"), new_file("b.txt", b"the same"))
    taken, adopted = found["a.txt"], found["b.txt"]
    assert isinstance(taken, Failed)
    assert taken.cause == "name_taken"
    assert isinstance(adopted, Written)
    assert (adopted.anchor, adopted.adopted) == (same.id, True)
    assert not cloud.sandbox.service.drives.sessions, "what was received in vain is given up"


async def test_a_download_is_whole_and_verified(cloud: Cloud, drive: DriveConnector) -> None:
    content = bytes(range(251)) * 9000
    item = plant(cloud.sandbox, cloud.home.root, "a.bin", content)
    contents = drive.capabilities.contents
    assert contents is not None
    source = contents.source(item.id, item.e_tag)
    assert b"".join([chunk async for chunk in source.chunks()]) == content
    assert source.digest == digest(content)
    assert b"".join([chunk async for chunk in source.chunks(1000)]) == content[1000:]
    assert [one async for one in contents.digests([(item.id, item.e_tag)])] == [(item.id, digest(content))]
