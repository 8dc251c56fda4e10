"""Two full listings side by side in a scratch database on disk: no list of a whole share is ever in memory."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bridge.core.model import Digest, Side
from bridge.ports import Observation, Page

_TABLES = """
PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;
CREATE TABLE seen (side TEXT, anchor TEXT, kind TEXT, parent TEXT, name TEXT, folded TEXT, version TEXT,
    algorithm TEXT, value TEXT, size INTEGER, paired INTEGER DEFAULT 0, PRIMARY KEY (side, anchor)) WITHOUT ROWID;
CREATE INDEX place ON seen (side, parent, folded);
CREATE TABLE untold (side TEXT, anchor TEXT, PRIMARY KEY (side, anchor)) WITHOUT ROWID;
CREATE TABLE pair (number INTEGER PRIMARY KEY, link TEXT, kind TEXT, school TEXT, cloud TEXT);
CREATE INDEX pair_school ON pair (school); CREATE INDEX pair_cloud ON pair (cloud);
"""
#: Ends of pairs of which both ends are seen: the link of a record that changed its anchor keeps nobody from his place.
_WHOLE = """
UPDATE seen SET paired = 1 WHERE paired = 0 AND side = ? AND anchor IN
    (SELECT iif(? = 'school', p.school, p.cloud) FROM pair p
     JOIN seen s ON s.side = 'school' AND s.anchor = p.school JOIN seen c ON c.side = 'cloud' AND c.anchor = p.cloud)"""
#: What is left of links with one end that is seen: superseded where that end was coupled by its place.
_HALVES = """
DELETE FROM pair WHERE link != '' AND (SELECT count(*) FROM seen WHERE (side = 'school' AND anchor = pair.school)
    OR (side = 'cloud' AND anchor = pair.cloud)) = 1 AND EXISTS (SELECT 1 FROM seen WHERE paired = 1
    AND ((side = 'school' AND anchor = pair.school) OR (side = 'cloud' AND anchor = pair.cloud)))"""
_REST = """
UPDATE seen SET paired = 1 WHERE paired = 0 AND ((side = 'school' AND anchor IN (SELECT school FROM pair))
    OR (side = 'cloud' AND anchor IN (SELECT cloud FROM pair)))"""
_JOINED = """
SELECT p.kind, p.link, s.anchor, s.version, s.parent, s.name, s.algorithm, s.value, s.size,
    c.anchor, c.version, c.parent, c.name, c.algorithm, c.value, c.size FROM pair p
    LEFT JOIN seen s ON s.side = 'school' AND s.anchor = p.school
    LEFT JOIN seen c ON c.side = 'cloud' AND c.anchor = p.cloud
    WHERE s.anchor IS NOT NULL OR c.anchor IS NOT NULL ORDER BY p.number"""
_ALONE = """
SELECT side, kind, anchor, version, parent, name, algorithm, value, size FROM seen
    WHERE paired = 0 ORDER BY side, anchor"""
_BY_PLACE = """
INSERT INTO pair (link, kind, school, cloud)
SELECT '', s.kind, s.anchor, c.anchor FROM seen s JOIN seen c
    ON c.side = 'cloud' AND c.folded = s.folded AND c.kind = s.kind AND c.paired = 0
    AND ((s.parent = '' AND c.parent = '') OR EXISTS (SELECT 1 FROM pair WHERE school = s.parent AND cloud = c.parent))
WHERE s.side = 'school' AND s.paired = 0 GROUP BY s.anchor HAVING count(*) = 1"""


@dataclass(frozen=True, slots=True)
class End:
    """One file or folder as a side shows it. ``parent`` is empty in the root; ``content`` None for a folder."""

    anchor: str
    version: str
    parent: str
    name: str
    content: Digest | None


@dataclass(frozen=True, slots=True)
class Couple:
    """What belongs together; an end is None where that side does not show it. ``link`` is empty without one."""

    kind: str
    link: str
    school: End | None
    cloud: End | None


class Seen:
    """The scratch database of one root."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """The file is its owner's to remove."""
        self._db.close()

    def add(self, side: Side, page: Page) -> None:
        """Take in a page of a full listing."""
        rows = (_row(side, one) for one in page.observations if one.in_scope)
        self._db.executemany("INSERT OR REPLACE INTO seen VALUES (?,?,?,?,?,?,?,?,?,?,0)", rows)
        gone = [(side, one.anchor) for one in page.removals]
        gone += [(side, one.anchor) for one in page.observations if not one.in_scope]
        self._db.executemany("DELETE FROM seen WHERE side = ? AND anchor = ?", gone)
        self._db.executemany("INSERT OR IGNORE INTO untold VALUES (?,?)", ((side, one) for one in page.untold))

    def pair(self, links: Iterable[tuple[str, str, str | None, str | None]]) -> None:
        """Couple by the links of the state, what is left by its place: the same name in the same folder."""
        self._db.executemany("INSERT INTO pair (link, kind, school, cloud) VALUES (?,?,?,?)", links)
        added = 1
        while added > 0:
            for side in Side:
                self._db.execute(_WHOLE, (side.value, side.value))
            added = self._db.execute(_BY_PLACE).rowcount
        self._db.execute(_HALVES)
        self._db.execute(_REST)

    def couples(self) -> Iterator[Couple]:
        """All that at least one side shows."""
        for row in self._db.execute(_JOINED):
            yield Couple(row[0], row[1], _end(row[2:9]), _end(row[9:16]))
        for side, kind, *rest in self._db.execute(_ALONE):
            end = _end(rest)
            yield Couple(kind, "", end if side == Side.SCHOOL else None, end if side == Side.CLOUD else None)

    def together(self, school: str, cloud: str) -> bool:
        """Whether two folders are the same one; the root is."""
        if not school or not cloud:
            return school == cloud
        query = "SELECT 1 FROM pair WHERE school = ? AND cloud = ?"
        return self._db.execute(query, (school, cloud)).fetchone() is not None

    def untold(self, couple: Couple) -> bool:
        """Whether a side that does not show it said that it is there all the same (being written, not readable)."""
        query = """SELECT 1 FROM pair p JOIN untold u ON (u.side = 'school' AND u.anchor = p.school)
            OR (u.side = 'cloud' AND u.anchor = p.cloud) WHERE p.link = ? AND p.link != ''"""
        return self._db.execute(query, (couple.link,)).fetchone() is not None

    def path(self, side: Side, end: End) -> str:
        """Where it lies."""
        names, parent = [end.name], end.parent
        while parent and len(names) < 400:
            query = "SELECT name, parent FROM seen WHERE side = ? AND anchor = ?"
            row = self._db.execute(query, (side, parent)).fetchone()
            if row is None:
                break
            names.append(row[0])
            parent = row[1]
        return "/".join(reversed(names))


def _row(side: Side, one: Observation) -> tuple[object, ...]:
    name, content = str(one.fields.get("name") or ""), one.fields.get("content")
    told = (content.algorithm, content.value, content.size) if isinstance(content, Digest) else (None, None, None)
    parent = str(one.fields.get("parent") or "")
    plain, folded = (_stored(text) for text in (name, same(name)))
    return (side.value, one.anchor, one.kind, parent, plain, folded, one.version, *told)


def _stored(text: str) -> str:
    """What SQLite takes: half pairs come from names that are no UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def same(name: str) -> str:
    """A name as it is compared: without case and Unicode form."""
    return unicodedata.normalize("NFC", name.casefold())


def _end(row: Iterable[object]) -> End | None:
    anchor, version, parent, name, algorithm, value, size = row
    if anchor is None:
        return None
    content = Digest(str(algorithm), str(value), int(str(size))) if algorithm is not None else None
    return End(str(anchor), str(version), str(parent), str(name), content)
