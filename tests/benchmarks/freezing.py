"""``python -m tests.benchmarks.freezing``: a share frozen by its permissions and thawed, beside a bare walk over it."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bridge.state import open_database
from bridge.state.frozen import Modes
from connectors.folder.freezing import _Count, _given_back, _taken, _walk
from connectors.folder.root import Root
from tests.benchmarks.__main__ import line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    with tempfile.TemporaryDirectory() as place:
        files = parser.parse_args().files
        top = Path(place) / "share"
        for number in range(0, files, 50):
            folder = top / f"a{number // 500}" / f"b{number // 50 % 10}"
            folder.mkdir(parents=True)
            for name in range(50):
                (folder / f"f{name}").touch()
        modes, root = Modes(open_database(f"sqlite:///{place}/state.db"), "0123/homes/a"), Root(top, "")
        floor = timed(lambda: sum(one.stat().st_mode for path, _, _ in os.walk(top) for one in os.scandir(path)))

        def walk(act: Callable[..., int]) -> Callable[[], int]:
            count = _Count()
            return lambda: sum(act(opened, modes, count) for opened in _walk(root, count, ours=False))

        for name, act in (("frozen", _taken), ("frozen again", _taken), ("thawed", _given_back)):
            seconds = timed(walk(act))
            line(
                f"{files:,} files {name}",
                f"{seconds:.2f} s",
                f"a bare walk {floor:.2f} s: × {seconds / floor:.1f}",
                "–",
            )


def timed(act: Callable[[], int]) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
