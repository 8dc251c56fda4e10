"""Reading a drive: lost tokens, replays, what is not mirrored, SharePoint's rewriting, downloads over bad lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Action
from bridge.ports import ContentChanged, Failed, Observation, Page, Refused, TokenLost, Unreachable, Write
from connectors.graph_drive import DriveConnector
from connectors.sandbox.drive_model import Item
from tests.connectors.graph.kit import Timeline, application
from tests.connectors.graph_drive.conftest import Cloud
from tests.connectors.graph_drive.kit import (
    connector,
    done,
    new_content,
    new_file,
    new_folder,
    outcomes,
    owners,
    pages,
    plant,
)
from tests.sandbox.plugin import MakeSandbox

Connect = Callable[..., DriveConnector]


def folded(found: list[Page]) -> dict[str, Observation]:
    """The last observation of each."""
    return {one.anchor: one for page in found for one in page.observations}


# --- tokens ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["resyncChangesApplyDifferences", "resyncChangesUploadDifferences"])
async def test_410_is_a_lost_token(cloud: Cloud, drive: DriveConnector, how: str) -> None:
    plant(cloud.sandbox, cloud.home.root, "a.txt")
    token = (await pages(drive))[-1].token
    cloud.sandbox.faults.add("expire-delta", count=1, code=how)
    with pytest.raises(TokenLost):
        await pages(drive, token)
    again = await pages(drive)
    assert again[-1].complete
    assert not any(page.removals for page in again)


async def test_a_listing_goes_on_at_the_page_where_it_stopped(cloud: Cloud, drive: DriveConnector) -> None:
    cloud.sandbox.service.knobs.delta_page = 10
    for n in range(45):
        plant(cloud.sandbox, cloud.home.root, f"f{n}")
    seen = []
    async for page in drive.observe(None):
        seen.append(page)
        if len(seen) == 2:
            break
    rest = await pages(drive, seen[-1].token)
    assert all(page.listing for page in rest)
    assert [page.complete for page in rest] == [False] * (len(rest) - 1) + [True]
    found = [one.anchor for page in [*seen, *rest] for one in page.observations]
    assert len(found) == len(set(found)) == 45


async def test_410_within_a_listing_is_no_end_of_it(cloud: Cloud, drive: DriveConnector) -> None:
    cloud.sandbox.service.knobs.delta_page = 10
    for n in range(25):
        plant(cloud.sandbox, cloud.home.root, f"f{n}")
    cloud.sandbox.faults.add("expire-delta", count=1)
    with pytest.raises(Unreachable):
        await pages(drive)


async def test_replays_and_duplicates_in_any_order_change_nothing(cloud: Cloud, connect: Connect) -> None:
    drive = connect(folder="Tausch")
    root = plant(cloud.sandbox, cloud.home.root, "Tausch", None)
    inner = plant(cloud.sandbox, root, "x", None)
    for n in range(12):
        plant(cloud.sandbox, inner, f"f{n}")
    token = (await pages(drive))[-1].token
    cloud.sandbox.service.drives.move(inner.children["f3"], root, "g3", by="")
    cloud.sandbox.commit()
    wanted = folded(await pages(connect(folder="Tausch", directory=None)))
    for kind in ("replay-delta", "duplicate-delta", "shuffle-delta"):
        cloud.sandbox.faults.add(kind, count=None, back=50)
    cloud.sandbox.service.knobs.delta_page = 3
    seen = folded(await pages(drive, token))
    assert {key: one.fields for key, one in seen.items()} == {key: wanted[key].fields for key in seen}
    assert seen


async def test_a_quiet_drive_costs_one_request_and_one_unit(cloud: Cloud, drive: DriveConnector) -> None:
    plant(cloud.sandbox, cloud.home.root, "a.txt")
    token = (await pages(drive))[-1].token
    cloud.sandbox.service.counters.reset()
    [page] = await pages(drive, token)
    assert (page.observations, page.removals) == ((), ())
    assert cloud.sent() == 1
    assert cloud.sandbox.counters()["file resource units"] == 1


async def test_ten_thousand_files_take_as_few_requests_as_the_service_has_pages(
    cloud: Cloud, drive: DriveConnector
) -> None:
    for n in range(10_000):
        cloud.sandbox.service.drives.add(cloud.home.root, f"f{n}", by="", folder=False)
    cloud.sandbox.commit()
    await drive.identify()
    cloud.sandbox.service.counters.reset()
    found = await pages(drive)
    assert len(folded(found)) == 10_000
    least = -(-10_001 // cloud.sandbox.service.knobs.delta_page)  # the root is one more
    assert cloud.sent() <= least + 1


# --- what is not mirrored -------------------------------------------------------------------------------------------


async def test_what_lies_outside_the_folder_is_not_mirrored(cloud: Cloud, connect: Connect) -> None:
    drive = connect(folder="Tausch")
    root = plant(cloud.sandbox, cloud.home.root, "Tausch", None)
    inside = plant(cloud.sandbox, root, "in.txt")
    outside = plant(cloud.sandbox, cloud.home.root, "out.txt")
    found = await pages(drive)
    assert {key for key, one in folded(found).items() if one.in_scope} == {inside.id}
    cloud.sandbox.service.drives.move(outside, root, "came.txt", by="")
    cloud.sandbox.service.drives.move(inside, cloud.home.root, "left.txt", by="")
    cloud.sandbox.commit()
    seen = folded(await pages(drive, found[-1].token))
    assert (seen[outside.id].in_scope, seen[inside.id].in_scope) == (True, False)


async def test_a_folder_that_comes_in_is_read_with_all_below(cloud: Cloud, connect: Connect) -> None:
    drive = connect(folder="Tausch")
    root = plant(cloud.sandbox, cloud.home.root, "Tausch", None)
    other = plant(cloud.sandbox, cloud.home.root, "other", None)
    below = plant(cloud.sandbox, other, "below.txt")
    token = (await pages(drive))[-1].token
    cloud.sandbox.service.drives.move(other, root, "other", by="")
    cloud.sandbox.commit()
    with pytest.raises(Unreachable, match="read again"):
        await pages(drive, token)
    with pytest.raises(TokenLost):
        await pages(drive, token)
    assert folded(await pages(drive))[below.id].fields["parent"] == other.id


async def test_a_mirrored_folder_that_is_gone_proves_nothing(cloud: Cloud, connect: Connect) -> None:
    root = plant(cloud.sandbox, cloud.home.root, "Tausch", None)
    plant(cloud.sandbox, root, "in.txt")
    token = (await pages(connect(folder="Tausch")))[-1].token
    cloud.sandbox.service.drives.delete(root)
    cloud.sandbox.commit()
    for drive in (connect(folder="Tausch"), connect(folder="Tausch")):
        with pytest.raises(Refused, match="gone"):
            await pages(drive, token)
    plant(cloud.sandbox, cloud.home.root, "Tausch", None)
    drive = connect(folder="Tausch")
    with pytest.raises(Refused, match="replaced"):
        async for _ in drive.observe(None, recall=token):
            pass


async def test_a_mirrored_folder_that_is_renamed_is_found_by_its_id(
    cloud: Cloud, connect: Connect, tmp_path: Path
) -> None:
    root = plant(cloud.sandbox, cloud.home.root, "Tausch", None)
    inside = plant(cloud.sandbox, root, "in.txt")
    drive = connect(folder="Tausch")
    found = await pages(drive)
    assert not found[-1].warnings
    token = found[-1].token

    def renamed(name: str, parent: Item = cloud.home.root) -> None:
        cloud.sandbox.service.drives.move(root, parent, name, by="")
        cloud.sandbox.commit()

    renamed("Klassentausch")
    for one in (drive, connect(folder="Tausch")):
        [page] = await pages(one, token)
        assert "mirrored all the same" in page.warnings[0]
        await done(one, new_file(f"{id(one)}.txt", b"a"))
    assert len(root.children or {}) == 3, "written to the same folder"
    assert len(cloud.home.root.children or {}) == 1, "no other one was made"
    # A new index, a full listing, and only the dropped token to tell.
    fresh = connect(folder="Tausch", directory=tmp_path / "new")
    again = [page async for page in fresh.observe(None, recall=token)]
    assert folded(again)[inside.id].in_scope
    assert again[-1].complete
    assert again[-1].warnings
    # Moved below another folder it is the same one still.
    renamed("Tausch", plant(cloud.sandbox, cloud.home.root, "Archiv", None))
    token = again[-1].token
    assert (await pages(connect(folder="Tausch", directory=tmp_path / "new"), token))[-1].warnings
    renamed("tausch")
    for one in (fresh, connect(folder="Tausch", directory=tmp_path / "new")):
        found = await pages(one, token)
        assert not found[-1].warnings, "it has its name back"


async def test_a_folder_that_is_gone_is_not_made_again(cloud: Cloud, connect: Connect) -> None:
    root = plant(cloud.sandbox, cloud.home.root, "Tausch", None)
    await pages(connect(folder="Tausch"))
    cloud.sandbox.service.drives.delete(root)
    cloud.sandbox.commit()
    with pytest.raises(Refused, match="gone"):
        await outcomes(connect(folder="Tausch"), new_file("a.txt", b"a"))
    assert not cloud.home.root.children


async def test_the_folder_is_made_with_the_first_write(cloud: Cloud, connect: Connect) -> None:
    drive = connect(folder="Tausch")
    [page] = await pages(drive)
    assert page.complete
    assert not cloud.home.root.children, "observing writes nothing"
    written = await done(drive, new_file("a.txt", b"a"))
    assert cloud.home.items[written.anchor].path() == "/Tausch/a.txt"
    with pytest.raises(TokenLost):
        await pages(drive, page.token)
    assert written.anchor in folded(await pages(drive))


async def test_names_are_the_schools(cloud: Cloud, drive: DriveConnector) -> None:
    written = await done(drive, new_file('Wer: "ich"?.txt', b"a"))
    forms = await done(drive, new_folder("Forms"))
    assert cloud.home.items[written.anchor].name == "Wer\uff1a \uff02ich\uff02\uff1f.txt"
    seen = folded(await pages(drive))
    assert seen[written.anchor].fields["name"] == 'Wer: "ich"?.txt'
    assert seen[forms.anchor].fields["name"] == "Forms"
    rename = Write("r", "folder", Action.UPDATE, forms.anchor, {"name": "forms"}, expected=forms.version)
    await done(drive, rename)
    assert folded(await pages(drive))[forms.anchor].fields["name"] == "forms"


# --- downloads ------------------------------------------------------------------------------------------------------

CONTENT = bytes(range(251)) * 8000


async def read(drive: DriveConnector, anchor: str, version: str, start: int = 0) -> bytes:
    contents = drive.capabilities.contents
    assert contents is not None
    return b"".join([chunk async for chunk in contents.source(anchor, version).chunks(start)])


async def test_a_download_goes_on_where_the_line_broke(cloud: Cloud, drive: DriveConnector) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.bin", CONTENT)
    cloud.sandbox.faults.add("cut-download", count=4, after=300_000)
    assert await read(drive, item.id, item.e_tag) == CONTENT
    assert cloud.sandbox.counters()["content requests"] <= 6


async def test_another_version_is_never_given(cloud: Cloud, drive: DriveConnector) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.bin", CONTENT)
    old = item.e_tag
    cloud.sandbox.service.drives.touch(item, by="")
    with pytest.raises(ContentChanged):
        await read(drive, item.id, old)
    cloud.sandbox.service.drives.delete(item)
    with pytest.raises(ContentChanged):
        await read(drive, item.id, item.e_tag)


async def test_bytes_without_the_shown_hash_are_refused(cloud: Cloud, connect: Connect) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.bin", CONTENT)
    item.digest = "aCgDG9jwBgAAAAAABQAAAAAAAAA="
    with pytest.raises(ContentChanged, match="hash"):
        await read(connect(), item.id, item.e_tag)
    assert await read(connect(trust_delivery=True), item.id, item.e_tag) == CONTENT


# --- the drive itself -----------------------------------------------------------------------------------------------


async def test_a_missing_onedrive_is_not_asked_for_again_and_again(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application("Files.ReadWrite.All")])
    sandbox.service.knobs.drives = "none"
    user, _ = owners(sandbox)
    timeline = Timeline(speed=1e6)
    drive = connector(sandbox, {"user": user}, timeline=timeline, not_provisioned_seconds=86_400)
    try:
        for _ in range(5):
            with pytest.raises(Unreachable, match="not provisioned yet") as caught:
                await drive.identify()
            assert caught.value.retry_after
        assert sandbox.counters()["missing drives asked for"] <= 2
        [_, finding] = await drive.check()
        assert finding.ok is None
    finally:
        await drive.close()


async def test_drives_of_one_application_share_everything(cloud: Cloud, connect: Connect) -> None:
    one, two = connect(), connect(library=True)
    assert one.shared is two.shared
    await asyncio.gather(pages(one), pages(two))
    await one.close()
    assert (await pages(two))[-1].complete, "the last one closes the connections"


async def test_check_tells_drive_quota_and_permissions(cloud: Cloud, drive: DriveConnector) -> None:
    found: dict[str, Any] = {one.subject.split(" ")[0]: one.ok for one in await drive.check()}
    assert found == {"permissions": True, "the": True, "quota": True}
    cloud.home.quota = 1
    plant(cloud.sandbox, cloud.home.root, "a.bin", b"12")
    assert False in [one.ok for one in await drive.check()]


async def test_retry_after_rests_everything(cloud: Cloud, drive: DriveConnector) -> None:
    await drive.identify()
    cloud.sandbox.faults.add("throttle", path="delta", count=1, retry_after=3)
    before = drive.shared.lanes.open
    assert (await pages(drive))[-1].complete
    assert drive.shared.lanes.open < before
    assert drive.shared.client.counters.throttled == 1


async def test_a_stale_rename_and_a_lost_answer_of_one(cloud: Cloud, drive: DriveConnector) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.txt")
    cloud.sandbox.faults.add("drop-after", method="POST", path="batch", count=1)
    cloud.sandbox.faults.add("drop-after", method="PATCH", path="items", count=1)
    rename = Write("r", "file", Action.UPDATE, item.id, {"name": "b.txt"}, expected=item.e_tag)
    written = await done(drive, rename)
    assert (item.name, written.version) == ("b.txt", item.e_tag)
    stale = (await outcomes(drive, rename))["r"]
    assert isinstance(stale, Failed)
    assert stale.cause == "stale"
    cloud.sandbox.faults.add("race-etag", count=1)
    raced = (await outcomes(drive, new_content(item.id, b"z", item.e_tag)))[item.id]
    assert isinstance(raced, Failed)
    assert raced.cause == "stale"
