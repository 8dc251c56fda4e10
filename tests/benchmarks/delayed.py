"""A TCP relay that holds every piece back for a while, as a line between two buildings does.

``python -m tests.benchmarks.delayed HOST PORT SECONDS`` prints its own port and runs until it is ended: a process of
its own, so that it takes no time of the interpreter that is measured.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 1 << 16


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        while True:
            due, piece = await under_way.get()
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            if not piece:
                sink.close()
                return
            sink.write(piece)
            await sink.drain()

    arriving = asyncio.create_task(arrive())
    try:
        while piece := await source.read(_PIECE):
            under_way.put_nowait((loop.time() + delay, piece))
    except OSError:
        pass
    under_way.put_nowait((loop.time() + delay, b""))
    await asyncio.gather(arriving, return_exceptions=True)


async def _serve(host: str, port: int, delay: float) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, far = await asyncio.open_connection(host, port)
        await asyncio.gather(_pour(reader, far, delay), _pour(there, writer, delay))

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@contextmanager
def delayed(host: str, port: int, delay: float) -> Iterator[int]:
    """The port of 127.0.0.1 at which the same server answers ``2 * delay`` seconds later."""
    command = [sys.executable, "-m", "tests.benchmarks.delayed", host, str(port), str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
