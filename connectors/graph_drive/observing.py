"""Reading: ``/drives/{id}/root/delta``, page by page, as observations (Graph: driveItem: delta).

1. a token is the JSON of the link to go on with; the first round lists everything and can be resumed at each page
2. the last occurrence of an item on a page counts; deleted items come without a name
3. ``within`` tells by the folders seen whether an item lies in the mirrored folder, and in no OneNote notebook
4. any 410 to a stored link is a lost token, both kinds of resync alike: the engine holds what a new listing lacks, and
   takes nothing for deleted that it has no evidence of
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bridge.core.model import Evidence
from bridge.ports import Context, Observation, Page, Removal, TokenLost, Unreachable
from connectors.graph.answers import complain
from connectors.graph_drive.ledger import Ledger
from connectors.graph_drive.options import Options
from connectors.graph_drive.place import Locator, Spot
from connectors.graph_drive.rewriting import Rewriting
from connectors.graph_drive.shape import (
    SELECT,
    Entry,
    fields_of,
    kind_of,
    outside,
    parent_of,
    version_of,
)
from connectors.graph_drive.shared import Shared

#: Items a page; the service gives as many as it likes.
TOP = 1000
#: deltaExcludeParent: a changed item comes without the folders above it. hierarchicalsharing: permissions of folders
#: don't bring everything below them.
HEADERS = {"deltaExcludeParent": "true", "Prefer": "hierarchicalsharing"}


@dataclass(frozen=True, slots=True)
class Mark:
    """The token. ``index``: which listing the folders in the ledger come from."""

    drive: str
    folder: str
    link: str
    listing: bool
    index: str = ""
    v: int = 1

    def token(self) -> str:
        """As stored."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def of(cls, token: str | None) -> Mark | None:
        """From a stored token; None when it is none of ours."""
        try:
            found = json.loads(token or "")
            return cls(**found) if found["v"] == 1 else None
        except (ValueError, KeyError, TypeError):
            return None


class Observer:
    """Observes one drive."""

    def __init__(self, options: Options, context: Context, *, shared: Shared, locator: Locator, ledger: Ledger) -> None:
        self._options = options
        self._context = context
        self._shared = shared
        self._locator = locator
        self._ledger = ledger
        self._rewriting = Rewriting(ledger)

    async def observe(self, token: str | None, recall: str | None) -> AsyncIterator[Page]:
        """See ``Connector.observe``."""
        before = Mark.of(recall if token is None else token)
        if before is not None and self._options.folder is not None:
            self._locator.expect(before.drive, before.folder)
        spot = await self._locator.spot()
        if token is not None:
            self._check(before, spot)
        elif before is not None and before.drive == spot.drive and before.folder and before.folder != spot.folder:
            raise self._locator.replaced(before.folder)
        if not spot.folder:
            first = token is None
            yield Page(token=Mark(spot.drive, "", "", listing=False).token(), listing=first, complete=first)
            return
        mark = before if token is not None and before is not None else None
        if mark is None:
            index = f"{self._context.clock():%Y%m%dT%H%M%S%f}-{self._context.random():.9f}"
            self._ledger.begin(index)
            link = f"{spot.path}/root/delta?$select={SELECT}&$top={TOP}"
            mark = Mark(spot.drive, spot.folder, link, listing=True, index=index)
        async for page in self._pages(mark, spot, stored=token is not None):
            yield page

    def _check(self, mark: Mark | None, spot: Spot) -> None:
        """Whether a stored token still fits what is there."""
        if mark is None:
            raise TokenLost("The stored token of the drive is not readable; everything is read again.")
        if mark.drive != spot.drive:
            raise TokenLost("The token is of another drive; everything is read again.")
        if mark.folder != spot.folder:
            if mark.folder and self._options.folder is not None:
                raise self._locator.replaced(mark.folder)
            raise TokenLost("The mirrored folder is another one than before; everything is read again.")
        if mark.folder and spot.folder != spot.root and mark.index != self._ledger.generation():
            raise TokenLost("What was known of the drive's folders is lost; everything is read again.")

    def _renamed(self, spot: Spot) -> str:
        return (
            f"{self._options.drive.owner}: the mirrored folder {spot.folder} is not called {self._options.folder!r} at "
            "the top of the drive any more. It is mirrored all the same; give it its name and place back."
        )

    async def _pages(self, mark: Mark, spot: Spot, *, stored: bool) -> AsyncIterator[Page]:
        listing, waiting = mark.listing, dict[str, Entry]()
        while True:
            body = await self._read(mark.link, stored=stored)
            stored = False
            following = str(body.get("@odata.nextLink") or "")
            # The last occurrence counts, also over what waited for its folder.
            entries = waiting | {str(entry["id"]): entry for entry in body.get("value", ())}
            ground = Ground(self._ledger, spot)
            if spot.folder in entries and "deleted" in entries[spot.folder]:
                raise self._locator.replaced(spot.folder)
            if ground.crossed(entries):
                self._ledger.begin("")
                raise Unreachable("A folder came into or left the mirrored one; everything is read again.")
            ground.learn(entries)
            waiting = {key: one for key, one in entries.items() if following and ground.unclear(one)}
            mark = replace(mark, link=following or _delta(body), listing=listing and bool(following))
            told = [one for key, one in entries.items() if key not in waiting]
            token = None if waiting else mark.token()
            page = Page(token=token, listing=listing, complete=listing and not following)
            page = self._told(page, told, spot, ground)
            if self._locator.renamed and not following:
                page = replace(page, warnings=(*page.warnings, self._renamed(spot)))
            if page.observations or page.removals or page.warnings or listing or not following:
                yield page
            if not following:
                return

    def _told(self, page: Page, entries: list[Entry], spot: Spot, ground: Ground) -> Page:
        observations, removals, warnings, meanings = [], [], [], []
        for entry in entries:
            key = str(entry["id"])
            if key == spot.folder and "root" not in entry:
                self._locator.saw(str(entry.get("name", "")), parent_of(entry))
            if "root" in entry or key in (spot.root, spot.folder):
                continue
            if "deleted" in entry:
                removals.append(Removal(key, Evidence.DELETED))
                self._rewriting.gone(key)
                continue
            kind = kind_of(entry)
            if kind is None or not ground.within(parent_of(entry)):
                shown = "folder" if "folder" in entry or "package" in entry else "file"
                observations.append(Observation(shown, key, version_of(entry), {}, in_scope=False))
                if (why := outside(entry)) and ground.within(parent_of(entry)):
                    warnings.append(f"{self._options.drive.owner}: {key} is {why}; it is not mirrored.")
                continue
            fields = fields_of(entry, root=spot.folder, library_root=spot.root)
            if kind == "file" and (meant := self._rewriting.meant(key, entry)) is not None:
                meanings.append(meant)
            observations.append(Observation(kind, key, version_of(entry), fields))
        return replace(
            page,
            observations=tuple(observations),
            removals=tuple(removals),
            warnings=tuple(warnings),
            meanings=tuple(meanings),
        )

    async def _read(self, link: str, *, stored: bool) -> Mapping[str, Any]:
        """One page. ``stored``: the link comes from a stored token, which may have become too old."""
        answer = await self._shared.client.call(link, headers=HEADERS)
        if answer.ok:
            return answer.body
        if answer.status in (400, 410) and "token=" in link:
            if stored:
                # resyncChangesApplyDifferences and ...UploadDifferences differ in what may be deleted at the school:
                # nothing is, by either of them, without the engine's own evidence.
                raise TokenLost(f"The drive no longer knows the delta token ({answer.status} {answer.code}).")
            raise Unreachable(f"The drive broke off its listing ({answer.status} {answer.code}); it begins again.")
        if answer.status in (404, 423):
            self._locator.forget()
            raise Unreachable(
                f"{self._options.drive.owner} does not answer ({answer.status} {answer.code}): deleted or locked."
            )
        raise complain(answer, f"Reading changes of {self._options.drive.owner}")


class Ground:
    """Where something lies, by the folders seen so far: those of the ledger, and those of one page."""

    def __init__(self, ledger: Ledger, spot: Spot) -> None:
        self._ledger = ledger
        self._spot = spot
        self._known: dict[str, bool | None] = {spot.root: spot.folder == spot.root, spot.folder: True}

    def within(self, folder: str) -> bool:
        """Whether what lies in this folder is mirrored. What is not known yet is, in a drive mirrored as a whole."""
        found = self._place(folder)
        return self._spot.folder == self._spot.root if found is None else found

    def unclear(self, entry: Entry) -> bool:
        """Whether the folder that it lies in was not shown yet (the order of a delta is not promised)."""
        return "deleted" not in entry and "root" not in entry and self._place(parent_of(entry)) is None

    def _place(self, folder: str) -> bool | None:
        way: list[str] = []
        at = folder
        while at not in self._known and at not in way:
            way.append(at)
            row = self._ledger.folder(at)
            if row is None or row[1]:
                self._known[at] = None if row is None else False
                break
            at = row[0]
        found = self._known.get(at)
        self._known.update(dict.fromkeys(way, found))
        return found

    def crossed(self, entries: Mapping[str, Entry]) -> bool:
        """Whether a folder that is known comes into the mirrored one or leaves it: what is below it is not shown."""
        if self._spot.folder == self._spot.root:
            return False
        for key, entry in entries.items():
            if "folder" not in entry or "deleted" in entry or key in (self._spot.folder, self._spot.root):
                continue
            row = self._ledger.folder(key)
            if row is not None and row[0] != parent_of(entry):
                before, after = self._place(row[0]), self._place(parent_of(entry))
                if before is not None and before is not after:
                    return True
        return False

    def learn(self, entries: Mapping[str, Entry]) -> None:
        """Take in the folders of a page."""
        folders = [
            (key, parent_of(entry), "package" in entry or bool(outside(entry)))
            for key, entry in entries.items()
            if "deleted" not in entry and "root" not in entry and ("folder" in entry or "package" in entry)
        ]
        gone = [key for key, entry in entries.items() if "deleted" in entry]
        if folders or gone:
            self._ledger.keep_folders(folders, gone)
        self._known = {self._spot.root: self._spot.folder == self._spot.root, self._spot.folder: True}


def _delta(body: Mapping[str, Any]) -> str:
    link = str(body.get("@odata.deltaLink") or "")
    if not link:
        raise Unreachable("The drive ended a listing without a delta link; it begins again.")
    return link
