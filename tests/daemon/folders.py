"""Homes mirrored with folders that stand for drives: real bytes on both sides, and no cloud needed."""

from __future__ import annotations

from pathlib import Path

from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.roots import roots_of
from bridge.settings import load
from tests.daemon.embedded import Embedded

SHARES = """\
shares:
  - name: homes
    for: user
    school: {{connector: folder, base: '{root}/homes', root: '{{login}}', quiet_seconds: 0, watch: false}}
    cloud: {{connector: folder, base: '{root}/drives', root: '{{cloud_id}}', quiet_seconds: 0, watch: false}}
"""


class Folders(Embedded):
    """A school of a few pupils; ``home`` and ``drive`` of the first are what most tests need."""

    def __init__(self, root: Path, *, people: int = 1) -> None:
        super().__init__(root, more=SHARES.format(root=root))
        self.fill(people)
        (root / "homes").mkdir()
        (root / "drives").mkdir()
        for number in range(people):
            (root / "homes" / f"anna{number}").mkdir()
        answer = self.run("sync")
        assert answer.code in {0, 1}, answer.err
        for drive in self.places(Side.CLOUD):
            drive.mkdir()

    def places(self, side: Side) -> list[Path]:
        """The roots of a side, in the order of the owners' links."""
        settings = load(self.config, Catalog())
        with wiring.database(settings, create=False) as database:
            found = roots_of(settings.schools[0], database)
        return [one.sides[side].options.path for one in found.roots.values()]  # type: ignore[attr-defined]

    @property
    def home(self) -> Path:
        """The first pupil's folder at the school."""
        return self.places(Side.SCHOOL)[0]

    @property
    def drive(self) -> Path:
        """The folder that stands for the same pupil's drive."""
        return self.places(Side.CLOUD)[0]

    def mirror(self) -> None:
        """One cycle that has to go through."""
        answer = self.run("sync")
        assert answer.code == 0, answer.err + answer.out


def tree(root: Path) -> dict[str, bytes]:
    """Path -> bytes of all files below a root, the trash aside."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.relative_to(root).parts[0].startswith(".schoolbridge")
    }
