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

_FOLDERS, _ROUNDS = 100, 3


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


def _ours(server: FileServer, names: list[str], workers: int) -> tuple[float, int]:
    """Seconds the connector needs with so many connections, and how many files it saw."""
    options = Options(
        server=server.ip, port=server.port, share="daten", username=USER, password="none", connections=workers
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


def measure(files: int = 100_000) -> list[tuple[str, str, str, str]]:
    """Rows of the table: (figure, measured, floor, required). The best of three rounds, taken in turns."""
    with FileServer.start() as server:
        names = _filled(server.share("daten"), files)
        peer, ours = [], {1: [], 2: [], 4: []}  # type: ignore[var-annotated]
        for _ in range(_ROUNDS):
            peer.append(_peer(server, names))
            for workers, seconds in ours.items():
                took, count = _ours(server, names, workers)
                if count != files:
                    raise RuntimeError(f"{count} of {files} files were listed")
                seconds.append(took)
    best = {workers: min(seconds) for workers, seconds in ours.items()}
    sys.stderr.write(f"scandir {peer}, ours {ours}\n")
    figures = ", ".join(f"{files / seconds:,.0f}/s with {workers}" for workers, seconds in best.items())
    return [
        (
            f"listing of {files:,} files of a share",
            f"{figures} connections",
            f"smbprotocol's scandir, one connection: {files / min(peer):,.0f}/s: × {min(peer) / best[1]:.1f}",
            "≥ 0.95 ×",
        )
    ]


if __name__ == "__main__":
    for row in measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000):
        sys.stdout.write(f"| {' | '.join(row)} |\n")
