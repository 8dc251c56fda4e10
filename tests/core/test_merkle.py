"""The tree hash of RFC 6962: equal to its definition, written down naively; and what it proves of one leaf."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.merkle import EMPTY, Tree, proof, proves, root

LEAVES = st.lists(st.binary(max_size=12), max_size=70)


def defined(leaves: list[bytes]) -> bytes:
    """MTH as section 2.1 of the RFC says it, recursively."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + defined(leaves[:split]) + defined(leaves[split:])).digest()


def defined_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH as section 2.1.1 of the RFC says it, recursively."""
    if len(leaves) <= 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*defined_path(index, leaves[:split]), defined(leaves[split:])]
    return [*defined_path(index - split, leaves[split:]), defined(leaves[:split])]


@given(LEAVES)
def test_the_stream_has_the_root_of_the_definition(leaves: list[bytes]) -> None:
    assert root(iter(leaves)) == defined(leaves)


@given(LEAVES)
def test_a_growing_tree_has_the_right_root_at_any_time(leaves: list[bytes]) -> None:
    tree = Tree()
    for number, leaf in enumerate(leaves):
        assert tree.root == defined(leaves[:number])
        tree.add(leaf)
    assert (tree.root, tree.size) == (defined(leaves), len(leaves))


def test_known_hashes() -> None:
    """Vectors that other implementations of Certificate Transparency are tested with."""
    leaves = [
        b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43",
        bytes(range(0x50, 0x58)), bytes(range(0x60, 0x70)),
    ]  # fmt: skip
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root(leaves[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root(leaves[:2]).hex() == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert root(leaves[:3]).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
    assert root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(LEAVES.filter(bool), st.data())
def test_each_leaf_is_proved_by_the_path_of_the_definition(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = list(proof(iter(leaves), index))
    assert path == defined_path(index, leaves)
    assert proves(leaves[index], path, index=index, size=len(leaves), tree=root(leaves))


@given(LEAVES.filter(bool), st.data())
def test_nothing_else_is_proved(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path, tree = list(proof(leaves, index)), root(leaves)
    of = {"index": index, "size": len(leaves), "tree": tree}
    assert not proves(leaves[index] + b"x", path, **of)
    assert not proves(leaves[index], [*path, b"\0" * 32], **of)
    if path:
        broken = data.draw(st.integers(0, len(path) - 1))
        flipped = [bytes([step[0] ^ 1]) + step[1:] if at == broken else step for at, step in enumerate(path)]
        assert not proves(leaves[index], flipped, **of)
        assert not proves(leaves[index], path[:-1], **of)
    assert not proves(leaves[index], path, index=len(leaves), size=len(leaves), tree=tree)


def test_a_node_is_no_leaf() -> None:
    """Without prefixes, two hashes put together could be shown as a leaf."""
    one, two = (hashlib.sha256(b"\x00" + leaf).digest() for leaf in (b"a", b"b"))
    assert root([b"a", b"b"]) != root([one + two])


def test_order_and_number_count() -> None:
    assert len({root([b"a", b"b"]), root([b"b", b"a"]), root([b"a"]), root([b"a", b"b", b"b"])}) == 4


@pytest.mark.parametrize("index", [-1, 3])
def test_what_is_not_there_has_no_proof(index: int) -> None:
    with pytest.raises(IndexError, match="the tree has 3"):
        proof([b"a", b"b", b"c"], index)


def test_memory_does_not_grow_with_the_leaves() -> None:
    tracemalloc.start()
    try:
        root(str(number).encode() for number in range(50_000))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
