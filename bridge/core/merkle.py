"""Merkle tree hashes as in RFC 6962 section 2.1: one hash that stands for many leaves in their order.

    leaf = SHA-256(0x00 + bytes)      node = SHA-256(0x01 + left + right)
    a tree of n leaves splits at the largest power of two below n

The leaves come as a stream: only the roots of the whole subtrees seen so far are kept, at most one a power of two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one leaf."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees. Another prefix than a leaf's: nobody can pass off a node as a leaf."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(slots=True)
class Tree:
    """A tree that grows leaf by leaf; ``size`` is the number of leaves."""

    size: int = 0
    _peaks: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        """Take one more leaf; whole subtrees of the same size become one, as in a binary counter."""
        peak, size = leaf_hash(leaf), self.size
        while size & 1:
            peak = node_hash(self._peaks.pop(), peak)
            size >>= 1
        self._peaks.append(peak)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The hash of all leaves so far."""
        if not self._peaks:
            return EMPTY
        *rest, top = self._peaks
        for peak in reversed(rest):
            top = node_hash(peak, top)
        return top


def root(leaves: Iterable[bytes]) -> bytes:
    """The hash of a tree over ``leaves``."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root


def proof(leaves: Iterable[bytes], index: int) -> Sequence[bytes]:
    """What proves that leaf ``index`` is in the tree: the hashes beside its way up. Raises IndexError when it isn't."""
    peaks: list[tuple[bytes, bool]] = []
    path: list[bytes] = []
    size = 0
    for size, leaf in enumerate(leaves, 1):
        peak, before = (leaf_hash(leaf), size - 1 == index), size - 1
        while before & 1:
            peak = _joined(peaks.pop(), peak, path)
            before >>= 1
        peaks.append(peak)
    if not 0 <= index < size:
        raise IndexError(f"there is no leaf {index}: the tree has {size}")
    top = peaks.pop()
    while peaks:
        top = _joined(peaks.pop(), top, path)
    return path


def _joined(left: tuple[bytes, bool], right: tuple[bytes, bool], path: list[bytes]) -> tuple[bytes, bool]:
    """Two subtrees as one; the way of the wanted leaf notes its neighbour."""
    if left[1]:
        path.append(right[0])
    elif right[1]:
        path.append(left[0])
    return node_hash(left[0], right[0]), left[1] or right[1]


def proves(leaf: bytes, path: Sequence[bytes], *, index: int, size: int, tree: bytes) -> bool:
    """Whether ``path`` proves that ``leaf`` is the one at ``index`` of the tree with this size and root (RFC 9162)."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf_hash(leaf)
    for beside in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(beside, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, beside)
        place, last = place >> 1, last >> 1
    return last == 0 and found == tree
