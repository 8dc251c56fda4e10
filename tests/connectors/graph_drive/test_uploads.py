"""Uploads that go wrong on the way: cut lines, lost answers, a killed process, refusals. Never a file twice."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from bridge.ports import Busy, ContentChanged, Failed, Unreachable, Write, Written
from connectors.bandwidth import Bandwidth
from connectors.graph.answers import Answer
from connectors.graph_drive import DriveConnector, passage, resting
from tests.connectors.graph_drive.conftest import Cloud
from tests.connectors.graph_drive.kit import (
    STEP,
    Bytes,
    content_of,
    digest,
    done,
    new_content,
    new_file,
    options,
    outcomes,
    pages,
    plant,
    until,
)

Connect = Callable[..., DriveConnector]
ROOT = Path(__file__).resolve().parents[3]
CONTENT = bytes(range(250)) * 6000  # five fragments


def files(cloud: Cloud) -> dict[str, bytes]:
    """What lies at the root of the OneDrive."""
    return {item.name: content_of(cloud.sandbox, item) for item in (cloud.home.root.children or {}).values()}


@pytest.mark.parametrize("after", [0, 1, 100_000, STEP - 1])
async def test_a_line_that_breaks_within_a_fragment(cloud: Cloud, drive: DriveConnector, after: int) -> None:
    cloud.sandbox.faults.add("cut-upload", count=3, after=after)
    written = await done(drive, new_file("a.bin", CONTENT))
    assert files(cloud) == {"a.bin": CONTENT}
    assert written.content == digest(CONTENT)
    sent = drive.shared.lanes
    assert sent.open < sent.most, "fewer at once after a broken line"


@pytest.mark.parametrize(("method", "path"), [("POST", "batch"), ("POST", "createUploadSession"), ("PUT", "_upload")])
@pytest.mark.parametrize("size", [1000, len(CONTENT)])
async def test_lost_answers_never_make_a_file_twice(
    cloud: Cloud, drive: DriveConnector, method: str, path: str, size: int
) -> None:
    cloud.sandbox.faults.add("drop-after", method=method, path=path, count=2)
    content = CONTENT[:size]
    written = await done(drive, new_file("a.bin", content))
    assert files(cloud) == {"a.bin": content}
    assert written.content == digest(content)
    assert len(cloud.home.items[written.anchor].versions) == 0
    again = await done(drive, new_file("a.bin", content))
    assert (again.anchor, again.adopted) == (written.anchor, True)


async def test_the_lost_answer_of_the_last_fragment_of_a_change(cloud: Cloud, drive: DriveConnector) -> None:
    first = await done(drive, new_file("a.txt", b"one"))
    cloud.sandbox.faults.add("drop-after", method="PUT", path="_upload", count=1)
    second = await done(drive, new_content(first.anchor, b"two", first.version))
    assert second.anchor == first.anchor
    assert files(cloud) == {"a.txt": b"two"}
    assert len(cloud.home.items[first.anchor].versions) == 1


async def test_the_lost_answer_of_a_put(cloud: Cloud, connect: Connect) -> None:
    drive = connect(simple_upload=4096)
    cloud.sandbox.faults.add("drop-after", method="PUT", path="content", count=1)
    written = await done(drive, new_file("a.txt", b"small"))
    assert files(cloud) == {"a.txt": b"small"}
    assert written.adopted
    assert cloud.home.items[written.anchor].client_modified == 1788242400


async def test_a_killed_upload_goes_on_where_it_was_acknowledged(
    cloud: Cloud, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.sandbox.faults.add("slow", method="PUT", path="_upload", count=None, seconds=0.05)
    sessions = cloud.sandbox.service.drives.sessions
    (tmp_path / "content").write_bytes(CONTENT)
    told = {
        "options": options(cloud.sandbox, {"user": cloud.user}).model_dump(mode="json"),
        "directory": str(tmp_path / "index"),
        "content": str(tmp_path / "content"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.connectors.graph_drive.dying", stdin=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(told).encode() + b"\n")
    await until(lambda: any(session.received >= 2 * STEP for session in sessions.values()))
    process.kill()
    await process.wait()
    cloud.sandbox.faults.rules.clear()
    second = connect()
    ledger = tmp_path / "index" / "drive.sqlite"
    assert ledger.stat().st_mode & 0o777 == 0o600
    [session] = sessions.values()
    await until(lambda: not session.busy)
    acknowledged = session.received
    assert acknowledged < len(CONTENT)
    ranges: list[str] = []
    inner = second.shared.client.content_answer

    async def counted(method: str, url: URL, **more: Any) -> Answer:
        ranges.append(more["headers"].get("Content-Range", ""))
        return await inner(method, url, **more)

    monkeypatch.setattr(second.shared.client, "content_answer", counted)
    written = await done(second, new_file("a.bin", CONTENT))
    assert written.content == digest(CONTENT)
    assert files(cloud) == {"a.bin": CONTENT}
    assert session.done == written.anchor, "the same session"
    start = int(next(one for one in ranges if one).removeprefix("bytes ").partition("-")[0])
    assert start >= acknowledged, "nothing that was acknowledged is sent twice"
    assert b"_upload" not in ledger.read_bytes(), "the URL is overwritten when the upload is done"


async def test_a_session_that_is_gone_begins_anew(cloud: Cloud, connect: Connect) -> None:
    cloud.sandbox.faults.add("slow", method="PUT", path="_upload", count=None, seconds=0.05)
    task = asyncio.create_task(outcomes(connect(), new_file("a.bin", CONTENT)))
    sessions = cloud.sandbox.service.drives.sessions
    await until(lambda: any(session.received for session in sessions.values()))
    sessions.clear()
    found = (await task)["a.bin"]
    assert isinstance(found, Written)
    assert files(cloud) == {"a.bin": CONTENT}


@pytest.mark.parametrize("error", [ContentChanged("changed"), Busy("open")])
@pytest.mark.parametrize("at", [0, 700_000, len(CONTENT) + 1])
async def test_a_source_that_changes_is_never_committed(
    cloud: Cloud, drive: DriveConnector, error: Exception, at: int
) -> None:
    source = Bytes(CONTENT)
    source.spoil = (at, error)
    failed = (await outcomes(drive, new_file("a.bin", source)))["a.bin"]
    assert isinstance(failed, Failed)
    assert failed.cause == ("busy" if isinstance(error, Busy) else "changed")
    assert failed.transient
    assert files(cloud) == {}
    assert not cloud.sandbox.service.drives.sessions


async def test_a_locked_file_waits(cloud: Cloud, drive: DriveConnector) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.docx", b"open")
    item.locked = True
    failed = (await outcomes(drive, new_content(item.id, b"ours", item.e_tag)))[item.id]
    assert isinstance(failed, Failed)
    assert (failed.cause, failed.transient) == ("locked", True)
    assert files(cloud) == {"a.docx": b"open"}


async def test_a_dead_line_is_noticed(cloud: Cloud, connect: Connect) -> None:
    """Nothing breaks, but nothing moves either: the operating system would wait for a quarter of an hour."""
    drive = connect(timeouts={"read": 0.3})
    cloud.sandbox.faults.add("slow", method="PUT", path="_upload", count=1, seconds=60)
    async with asyncio.timeout(20):
        await done(drive, new_file("a.bin", CONTENT))
    assert files(cloud) == {"a.bin": CONTENT}


async def test_a_new_file_whose_folder_is_gone_waits(cloud: Cloud, drive: DriveConnector) -> None:
    folder = plant(cloud.sandbox, cloud.home.root, "x", None)
    cloud.sandbox.service.drives.delete(folder)
    for content in (b"", b"a"):
        failed = (await outcomes(drive, new_file("a.txt", content, parent=folder.id)))["a.txt"]
        assert isinstance(failed, Failed)
        assert (failed.cause, failed.transient) == ("stale", True)


async def test_a_full_drive_says_so(cloud: Cloud, drive: DriveConnector) -> None:
    cloud.home.quota = 1000
    failed = (await outcomes(drive, new_file("a.bin", CONTENT)))["a.bin"]
    assert isinstance(failed, Failed)
    assert (failed.cause, failed.transient) == ("quota", True)


async def test_somebody_elses_change_during_the_upload_wins(cloud: Cloud, drive: DriveConnector) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.bin", b"theirs")
    cloud.sandbox.faults.add("slow", method="PUT", path="_upload", count=None, seconds=0.03)
    task = asyncio.create_task(outcomes(drive, new_content(item.id, CONTENT, item.e_tag)))
    await until(lambda: any(session.received for session in cloud.sandbox.service.drives.sessions.values()))
    cloud.sandbox.service.drives.touch(item, by="")
    failed = (await task)[item.id]
    assert isinstance(failed, Failed)
    assert failed.cause == "stale"
    assert files(cloud) == {"a.bin": b"theirs"}


async def test_a_path_that_is_too_long_is_told_with_its_numbers(cloud: Cloud, drive: DriveConnector) -> None:
    parent = cloud.home.root
    for _ in range(3):
        parent = plant(cloud.sandbox, parent, "x" * 110, None)
    failed = (await outcomes(drive, new_file("y" * 60, b"y", parent=parent.id)))["y" * 60]
    assert isinstance(failed, Failed)
    assert failed.cause == "path_too_long"
    assert "400" in failed.message


async def test_a_dead_cloud_is_unreachable_and_nothing_is_made(cloud: Cloud, connect: Connect) -> None:
    drive = connect(timeouts={"retry": 3})
    await pages(drive)
    cloud.sandbox.faults.add("unavailable", method="POST|PUT", count=None)
    with pytest.raises(Unreachable):
        await outcomes(drive, new_file("a.txt", b"a"), new_file("b.txt", b"b"))
    assert files(cloud) == {}


async def test_content_goes_to_known_hosts_only(cloud: Cloud, drive: DriveConnector) -> None:
    cloud.sandbox.service.content_url = "https://upload.example.net"
    with pytest.raises(Exception, match="no host of SharePoint") as caught:
        await outcomes(drive, new_file("a.txt", b"a"))
    assert "_upload" not in str(caught.value), "the URL itself is a secret"


async def test_the_line_counts_and_limits(cloud: Cloud, connect: Connect) -> None:
    waited: list[float] = []
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        waited.append(seconds)
        now += seconds
        await asyncio.sleep(0)

    line = Bandwidth(lambda direction: 100_000 if direction == "up" else None, monotonic=lambda: now, sleep=sleep)
    await done(connect(line=line), new_file("a.bin", CONTENT))
    assert line.passed == {"up": len(CONTENT), "down": 0}
    assert abs(sum(waited) - len(CONTENT) / 100_000) < 1


async def test_many_files_take_a_batch_and_one_request_each(cloud: Cloud, drive: DriveConnector) -> None:
    await pages(drive)
    before, content_before = cloud.sent(), cloud.sandbox.counters().get("content requests", 0)
    found = await outcomes(drive, *[new_file(f"f{n:03}.txt", f"content {n}".encode()) for n in range(100)])
    assert all(isinstance(one, Written) for one in found.values())
    assert len(files(cloud)) == 100
    assert cloud.sent() - before == 5, "twenty sessions a request"
    assert cloud.sandbox.counters()["content requests"] - content_before == 100


def received(cloud: Cloud) -> list[int]:
    """What each upload session has got."""
    return [session.received for session in cloud.sandbox.service.drives.sessions.values()]


async def paused(drive: DriveConnector, write: Write) -> None:
    outcome = (await outcomes(drive, write))[write.id]
    assert isinstance(outcome, Failed)
    assert (outcome.cause, outcome.transient) == ("unfinished", True)


@pytest.fixture
def crowded(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Callable[[Bytes], Write]:
    """Fragments take a while, and others wait all the time: makes a write of a large file."""
    monkeypatch.setattr(passage, "PATIENCE", 0.05)
    cloud.sandbox.faults.add("slow", method="PUT", path="_upload", seconds=0.4)
    return lambda source: replace(new_file("a.bin", source), pause=lambda: True)


Crowded = Callable[[Bytes], Write]


async def test_a_large_upload_makes_room_for_others_and_goes_on_where_it_was(
    cloud: Cloud, drive: DriveConnector, crowded: Crowded
) -> None:
    source, before = Bytes(CONTENT), cloud.sandbox.counters().get("content requests", 0)
    write, got = crowded(source), []
    while isinstance(outcome := (await outcomes(drive, write))[write.id], Failed):
        assert (outcome.cause, outcome.transient) == ("unfinished", True)
        assert files(cloud) == {}
        got += received(cloud)
    assert len(got) >= 2
    assert got == sorted(got), "one session, further each time"
    assert files(cloud) == {"a.bin": CONTENT}
    assert isinstance(outcome, Written)
    assert outcome.content == digest(CONTENT)
    assert source.readings in ([0], [0, 4 * STEP]), "its hash goes on, too: nothing is read twice"
    assert cloud.sandbox.counters()["content requests"] - before == 5
    assert drive.shared.lanes.running == 0


async def test_while_it_makes_room_it_goes_on_alone_but_not_to_its_end(
    cloud: Cloud, drive: DriveConnector, crowded: Crowded
) -> None:
    write = crowded(Bytes(CONTENT))
    await paused(drive, write)
    assert (await done(drive, new_file("b.bin", b"small"))).content == digest(b"small")
    await until(lambda: drive.shared.lanes.running == 0)
    assert received(cloud)[0] == 4 * STEP
    assert files(cloud) == {"b.bin": b"small"}, "what ends it is for the next cycle"
    await done(drive, write)
    assert files(cloud) == {"a.bin": CONTENT, "b.bin": b"small"}


async def test_who_waits_does_not_wait_for_the_end_of_a_fragment(
    cloud: Cloud, drive: DriveConnector, crowded: Crowded
) -> None:
    cloud.sandbox.faults.rules[0].seconds = 5.0
    write = crowded(Bytes(CONTENT))
    begun, lanes = time.monotonic(), drive.shared.lanes
    for _ in range(3):
        await paused(drive, write)
        assert (received(cloud), lanes.running) == ([0], 1), "still the same fragment"
    assert time.monotonic() - begun < 5.0
    cloud.sandbox.faults.rules.clear()
    await done(drive, replace(write, pause=lambda: False))
    assert files(cloud) == {"a.bin": CONTENT}
    assert lanes.running == 0


async def test_nobody_comes_back_and_no_further_fragment_is_begun(
    cloud: Cloud, drive: DriveConnector, crowded: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resting, "ALONE", -1.0)
    write = crowded(Bytes(CONTENT))
    await paused(drive, write)
    await until(lambda: drive.shared.lanes.running == 0)
    assert received(cloud) == [STEP]
    await done(drive, replace(write, pause=lambda: False))
    assert files(cloud) == {"a.bin": CONTENT}


async def test_without_a_free_lane_it_halts_after_a_fragment(cloud: Cloud, connect: Connect, crowded: Crowded) -> None:
    drive = connect(parallel=1)
    write = crowded(Bytes(CONTENT))
    for number in range(1, 3):
        await paused(drive, write)
        await asyncio.sleep(0.5)
        assert received(cloud) == [number * STEP]
    await done(drive, replace(write, pause=lambda: False))
    assert files(cloud) == {"a.bin": CONTENT}


async def test_closed_on_its_way_another_takes_it_up(cloud: Cloud, connect: Connect, crowded: Crowded) -> None:
    first = connect()
    cloud.sandbox.faults.rules[0].seconds = 60.0
    write = crowded(Bytes(CONTENT))
    await paused(first, write)
    lanes = first.shared.lanes
    assert lanes.running == 1
    await first.close()
    assert lanes.running == 0
    cloud.sandbox.faults.rules.clear()
    written = await done(connect(), replace(write, pause=lambda: False))
    assert written.content == digest(CONTENT)
    assert files(cloud) == {"a.bin": CONTENT}


async def test_what_goes_wrong_meanwhile_is_told_to_who_goes_on(
    cloud: Cloud, drive: DriveConnector, crowded: Crowded
) -> None:
    source = Bytes(CONTENT)
    source.spoil = (2 * STEP, ContentChanged("it is another file now"))
    write = crowded(source)
    await paused(drive, write)
    await until(lambda: drive.shared.lanes.running == 0)
    outcome = (await outcomes(drive, write))[write.id]
    assert isinstance(outcome, Failed)
    assert outcome.cause == "changed"
    assert files(cloud) == {}
    source.spoil = None
    assert (await done(drive, replace(write, pause=lambda: False))).content == digest(CONTENT)


async def test_what_is_no_longer_than_a_fragment_does_not_pause(cloud: Cloud, drive: DriveConnector) -> None:
    write = replace(new_file("a.bin", CONTENT[:STEP]), pause=lambda: True)
    assert (await done(drive, write)).content == digest(CONTENT[:STEP])
