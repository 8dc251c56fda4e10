"""``python -m tests.benchmarks.manifest``: the manifest of a school with very many files, time and memory.

One root with ten files a folder, put into SQLite on disk directly; files lie in their folders as a listing finds them
(``near``), or anywhere (``far``: each file's folder was forgotten meanwhile). Memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from bridge.core.kinds import KINDS
from bridge.core.model import Digest
from bridge.daemon import manifest
from bridge.ports import chunks
from bridge.state import Database, mirrored, open_database
from bridge.state.canonical import encode
from bridge.state.tables import agreed_reference, agreement, link, observation

CODE = "0123/homes/owner"


def rows(files: int, *, near: bool) -> Iterator[tuple[str, int, str | None, dict[str, Any]]]:
    """(kind, number, parent, fields) of folders, then of files."""
    folders = files // 10
    for number in range(folders):
        yield "folder", number, f"{number // 8:032x}" if number >= 8 else None, {"name": f"Ordner {number}"}
    for number in range(files):
        parent = number // 10 if near else number * 7 % folders
        content = Digest("quickxor", f"{number:040x}", number)
        yield "file", folders + number, f"{parent:032x}", {"name": f"Datei {number}.odt", "content": content}


def fill(database: Database, files: int, *, near: bool) -> None:
    """A root of so many files, agreed on."""
    for code in ("0123", CODE):
        database.school(code, KINDS)
    for some in chunks(rows(files, near=near), 10_000):
        with database.write() as connection:
            ids = [f"{number:032x}" for _, number, _, _ in some]
            texts = [encode(fields) for *_, fields in some]
            plain = {"school": CODE, "refs": "0" * 32}
            connection.execute(
                insert(link),
                [
                    {
                        "school": CODE,
                        "id": of,
                        "kind": kind,
                        "rank": 30,
                        "school_anchor": f"s{n}",
                        "cloud_anchor": f"c{n}",
                    }
                    for of, (kind, n, _, _) in zip(ids, some, strict=True)
                ],
            )
            connection.execute(
                insert(agreement), [{**plain, "link": of, "fields": text} for of, text in zip(ids, texts, strict=True)]
            )
            above = [(of, parent) for of, (_, _, parent, _) in zip(ids, some, strict=True) if parent]
            connection.execute(
                insert(agreed_reference),
                [{"school": CODE, "link": of, "field": "parent", "target": parent} for of, parent in above],
            )
            for side in ("school", "cloud"):
                more = {**plain, "side": side, "version": "1", "role": ""}
                connection.execute(
                    insert(observation),
                    [
                        {**more, "anchor": f"{side[0]}{n}", "kind": kind, "fields": text}
                        for text, (kind, n, _, _) in zip(texts, some, strict=True)
                    ],
                )


def measure(path: Path) -> None:
    """One line of what it took."""
    database = open_database(f"sqlite:///{path}")
    began, used = time.perf_counter(), time.process_time()
    out = path.with_suffix(".gz")
    with mirrored.one_moment(database) as connection, gzip.GzipFile(out, "wb", 3, mtime=0) as stream:
        found = manifest.write(connection, "0123", salt="0" * 32, out=stream)
    took, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    assert manifest.read(out).root == found.tree.root.hex()
    print(
        f"{found.tree.size} lines: {took:.1f} s ({cpu:.1f} s CPU), peak {peak:.0f} MB, {out.stat().st_size >> 20} MB "
        f"on disk; hashed again in {time.perf_counter() - began:.1f} s",
        flush=True,
    )


def main() -> None:
    """Fill, then measure in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--measure", type=Path)
    said = parser.parse_args()
    if said.measure:
        measure(said.measure)
        return
    for near in (True, False):
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "state.db"
            opened = open_database(f"sqlite:///{path}")
            fill(opened, said.files, near=near)
            opened.close()
            sys.stdout.write("near: " if near else "far: ")
            sys.stdout.flush()
            subprocess.run([sys.executable, "-m", "tests.benchmarks.manifest", "--measure", str(path)], check=True)


if __name__ == "__main__":
    main()
