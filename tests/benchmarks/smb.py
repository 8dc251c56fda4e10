"""A share of a real smbd: the listing of many files beside smbprotocol's own ``scandir`` on one connection."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import smbclient  # type: ignore[import-untyped]

from bridge.lab.file_server import PASSWORD, USER, FileServer
from connectors.smb.lines import Lines
from connectors.smb.options import Options
from tests.benchmarks.delayed import delayed

_FOLDERS, _ROUNDS = 100, 3
#: Seconds each way between two buildings.
DELAY = 0.005


def _peer(server: FileServer, names: list[str]) -> float:
    """Seconds smbprotocol's own scandir needs, one connection."""
    cache: dict[str, object] = {}
    wishes = {"username": USER, "password": PASSWORD, "port": server.port, "connection_cache": cache}
    where = rf"\\{server.ip}\daten"
    smbclient.listdir(where, **wishes)
    begun = time.perf_counter()
    for name in names:
        for one in smbclient.scandir(rf"{where}\{name}", **wishes):
            _ = one.smb_info.file_id
    seconds = time.perf_counter() - begun
    smbclient.reset_connection_cache(connection_cache=cache)
    return seconds


def _ours(place: tuple[str, int], names: list[str], workers: int) -> tuple[float, int]:
    """Seconds the connector needs with so many connections, and how many files it saw."""
    options = Options(
        server=place[0], port=place[1], share="daten", username=USER, password="none", connections=workers
    )
    lines = Lines(options, lambda: PASSWORD)

    def listed(name: str) -> int:
        with lines.borrow() as line:
            return len(line.list(name)[1].names)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(listed, names[:workers]))  # log in
        begun = time.perf_counter()
        count = sum(pool.map(listed, names))
        seconds = time.perf_counter() - begun
    lines.close()
    return seconds, count


def _filled(share: Path, files: int) -> list[str]:
    names = [f"klasse {number:03}" for number in range(_FOLDERS)]
    for name in names:
        (share / name).mkdir()
        for number in range(files // _FOLDERS):
            (share / name / f"Arbeitsblatt {number:05}.docx").touch()
    return names


def _rounds(place: tuple[str, int], names: list[str], files: int) -> dict[int, float]:
    """Workers -> seconds, the best of three rounds, taken in turns."""
    found: dict[int, list[float]] = {1: [], 2: [], 4: []}
    for _ in range(_ROUNDS):
        for workers, seconds in found.items():
            took, count = _ours(place, names, workers)
            if count != files:
                raise RuntimeError(f"{count} of {files} files were listed")
            seconds.append(took)
    sys.stderr.write(f"{place}: {found}\n")
    return {workers: min(seconds) for workers, seconds in found.items()}


def _told(files: int, best: dict[int, float]) -> str:
    return ", ".join(f"{files / seconds:,.0f}/s with {workers}" for workers, seconds in best.items()) + " connections"


def measure(files: int = 100_000) -> list[tuple[str, str, str, str]]:
    """Rows of the table: (figure, measured, floor, required)."""
    with FileServer.start() as server:
        names = _filled(server.share("daten"), files)
        near = _rounds((server.ip, server.port), names, files)
        peer = min(_peer(server, names) for _ in range(_ROUNDS))
        with delayed(server.ip, server.port, DELAY) as port:
            far = _rounds(("127.0.0.1", port), names, files)
    beside = f"smbprotocol's scandir, one connection: {files / peer:,.0f}/s: × {peer / near[1]:.1f}"
    scaled = ", ".join(f"× {far[1] / far[workers]:.2f} with {workers}" for workers in (2, 4))
    return [
        (f"listing of {files:,} files of a share", _told(files, near), beside, "≥ 0.95 ×"),
        (f"the same over a line of {DELAY * 1000:.0f} ms each way", _told(files, far), scaled, "scaling with workers"),
    ]


if __name__ == "__main__":
    for row in measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000):
        sys.stdout.write(f"| {' | '.join(row)} |\n")
