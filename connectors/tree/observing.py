"""Pages of what the index holds: a full listing, or what changed since a token.

A token is ``<index>.<number of the last change told>``; within a full listing also the folder and the inode up to which
it came, and the numbering of the folders that it counts by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.ports import Observation, Page, Removal, TokenLost
from connectors.tree.index import ROOT, Change, Entry, Index
from connectors.tree.records import file_observation, folder_observation

PAGE = 500


@dataclass(frozen=True, slots=True)
class Token:
    """Where an observation stands. ``rank`` -1: not within a full listing."""

    index: str
    number: int
    ranking: int = 0
    rank: int = -1
    inode: int = -1

    def __str__(self) -> str:
        base = f"{self.index}.{self.number}"
        return base if self.rank < 0 else f"{base}.{self.ranking}.{self.rank}.{self.inode}"


def parse(text: str, index: Index) -> Token:
    """The token of an observation that went on; raises TokenLost when this index can't go on from it."""
    parts = text.split(".")
    if len(parts) not in (2, 5) or parts[0] != index.id or not all(_number(one) for one in parts[1:]):
        raise TokenLost("the index of this directory was made anew since; everything is listed again")
    token = Token(parts[0], *(int(one) for one in parts[1:]))
    if not index.floor <= token.number <= index.number:
        raise TokenLost(f"the index of this directory keeps changes from {index.floor} on, not from {token.number}")
    if token.rank >= 0 and token.ranking != index.ranking:
        raise TokenLost("another full listing of this directory was begun since")
    return token


def _number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def delta(index: Index, since: int) -> Iterator[Page]:
    """What changed after a number, oldest first; the last page has the token to go on from."""
    until = index.number
    while True:
        changes = index.changes(since, until, PAGE)
        if len(changes) < PAGE:
            break
        since = changes[-1].number
        yield _page(index, changes, Token(index.id, since))
    yield _page(index, changes, Token(index.id, until))


def _page(index: Index, changes: list[Change], token: Token) -> Page:
    observations: list[Observation] = []
    removals: list[Removal] = []
    for change in changes:
        if change.gone is not None:
            removals.append(Removal(change.anchor, change.gone, change.kind))
        elif (seen := _look_up(index, change.kind, change.anchor)) is not None:
            observations.append(seen)
    return Page(tuple(observations), tuple(removals), str(token))


def _look_up(index: Index, kind: str, anchor: str) -> Observation | None:
    if kind == "folder":
        folder = index.by_anchor(anchor)
        parent = index.directory(folder.parent) if folder else None
        return folder_observation(parent.anchor, folder) if folder and parent else None
    found = index.find(anchor)
    parent = index.directory(found[0]) if found else None
    return file_observation(parent.anchor, found[1]) if found and parent else None


def listing(index: Index, token: Token, *, complete: bool) -> Iterator[Page]:
    """Everything after ``token`` (see ``begin_listing``), folders before what is in them."""
    after, inode = token.rank, token.inode
    gathered: list[Observation] = []
    position = token
    while True:
        # A folder of which a part was told already is gone on with; else the next one.
        found = index.ranked(after - 1 if inode >= 0 else after)
        if found is None:
            break
        rank, folder = found
        if rank != after or inode < 0:
            inode = -1
            if folder.id != ROOT:
                parent = index.directory(folder.parent)
                gathered.append(folder_observation(parent.anchor if parent else "", folder))
        for entry in sorted(index.files(folder.id).values(), key=_by_inode):
            if entry.ino <= inode:
                continue
            if len(gathered) >= PAGE and entry.ino != position.inode:
                yield Page(tuple(gathered), token=str(position), listing=True)
                gathered.clear()
            gathered.append(file_observation(folder.anchor, entry))
            position = Token(index.id, token.number, token.ranking, rank, entry.ino)
        after, inode = rank, -1
        position = Token(index.id, token.number, token.ranking, rank, _WHOLE)
        if len(gathered) >= PAGE:
            yield Page(tuple(gathered), token=str(position), listing=True)
            gathered.clear()
    yield Page(tuple(gathered), token=str(Token(index.id, token.number)), listing=True, complete=complete)


#: Stands for the last file of a folder: the folder was told whole.
_WHOLE = -1


def begin_listing(index: Index) -> Token:
    """The start of a full listing: folders are numbered, and what changes from now on is told after it."""
    return Token(index.id, index.number, index.rank_all(), 0, _WHOLE)


def _by_inode(entry: Entry) -> tuple[int, str]:
    return entry.ino, entry.name
