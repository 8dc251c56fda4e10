"""Run inside the machine, with the rights of the local profile: has the folder connector what it needs?

Writes a file and a folder into a pupil's private folder and into a class's setgid folder, and prints what became of it.
"""

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bridge.core.model import Action, Digest
from bridge.ports import Context, Write
from connectors.folder.connector import FolderConnector
from connectors.folder.options import Options
from connectors.quickxor import QuickXor

BASE = Path("/srv/homes")


class Text:
    """A source of bytes."""

    size = 5

    @property
    def digest(self) -> Digest:
        running = QuickXor()
        running.update(b"hello")
        return Digest("quickxor", running.hexdigest(), running.size)

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        yield b"hello"[start:]


def shown(path: Path) -> list[object]:
    found = path.stat()
    return [found.st_uid, found.st_gid, oct(stat.S_IMODE(found.st_mode))]


async def written(name: str, context: Context) -> dict[str, object]:
    index = Path("/var/lib/schoolbridge/indexes") / name
    index.mkdir(parents=True, exist_ok=True)
    connector = FolderConnector(Options(base=BASE, root=name, quiet_seconds=0), replace(context, directory=index))
    seen = [one async for page in connector.observe(None) for one in page.observations]
    writes = [
        Write("1", "folder", Action.CREATE, None, {"name": "new", "parent": None}, expected=""),
        Write("2", "file", Action.CREATE, None, {"name": "new.txt", "parent": None, "content": Text().digest},
              expected="", content=Text()),
    ]  # fmt: skip
    outcomes = [repr(one) async for one in connector.apply(writes)]
    await connector.close()
    try:
        return {"seen": len(seen), "new": shown(BASE / name / "new"), "new.txt": shown(BASE / name / "new.txt")}
    except OSError as error:
        return {"seen": len(seen), "error": str(error), "outcomes": outcomes}


def outside() -> str | None:
    try:
        Path("/etc/hostname").write_text("no")
    except OSError as error:
        return error.strerror
    return "written"


async def main() -> None:
    context = Context(
        school="0123", secret=lambda _: b"", clock=lambda: datetime.now(UTC), sleep=asyncio.sleep,
        monotonic=lambda: 0.0, random=lambda: 0.5,
    )  # fmt: skip
    told: dict[str, object] = {name: await written(name, context) for name in ("anna", "class")}
    told["outside"] = outside()
    told["root"] = os.getuid() == 0
    sys.stdout.write(json.dumps(told) + "\n")


asyncio.run(main())
