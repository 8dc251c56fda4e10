"""Threads of one school are its own, also when it comes again, and what hangs in them keeps nothing from ending."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from bridge.daemon import threads


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """What a thread waits for; it comes at the end of the test only."""
    event = threading.Event()
    yield event
    event.set()


async def used_up(school: str, hanging: threading.Event) -> list[asyncio.Task[bool]]:
    """Tasks of a school that hang in all threads that it may have."""
    with threads.of(school):
        tasks = [asyncio.create_task(asyncio.to_thread(hanging.wait)) for _ in range(threads.MOST)]
    await asyncio.sleep(0)
    return tasks


async def works(school: str) -> bool:
    with threads.of(school):
        try:
            return await asyncio.wait_for(asyncio.to_thread(lambda: True), 0.5)
        except TimeoutError:
            return False


def test_the_loop_is_uvloops_where_it_is_installed_and_pythons_own_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=threads.new_loop) as runner:
        assert type(runner.get_loop()).__module__ == "uvloop"
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with asyncio.Runner(loop_factory=threads.new_loop) as runner:
        assert type(runner.get_loop()).__module__ == "asyncio.unix_events"


def test_a_school_that_comes_again_has_threads_in_which_nothing_hangs(hanging: threading.Event) -> None:
    found: list[bool] = []

    async def main() -> None:
        tasks = await used_up("0456", hanging)
        found.extend([await works("0123"), await works("0456")])
        threads.forget("0456")
        found.extend([await works("0123"), await works("0456")])
        hanging.set()
        assert all(await asyncio.gather(*tasks))

    threads.run(main())
    assert found == [True, False, True, True]


def test_an_end_does_not_wait_for_ever(hanging: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LAST", 0.1)
    found: list[bool] = []

    async def closing() -> None:
        """As a connector whose connection can't be closed."""
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.shield(asyncio.to_thread(hanging.wait))

    async def main() -> None:
        tasks = [asyncio.create_task(one) for one in (closing(), asyncio.sleep(60))]
        await asyncio.sleep(0)
        found.extend([await threads.end(tasks[1:]), await threads.end(tasks), await threads.end([])])

    threads.run(main())
    assert found == [True, False, True]


@pytest.mark.parametrize("failed", [False, True])
def test_a_program_ends_with_its_own_exit_code_while_a_thread_hangs(failed: bool) -> None:
    text = f"""
import threading
from bridge.daemon import threads
threads.LAST = 0.1
threading.Thread(target=threading.Event().wait).start()
threads.leave(failed={failed})
"""
    assert subprocess.run([sys.executable, "-c", text], check=False, timeout=60).returncode == int(failed)
