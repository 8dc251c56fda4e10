"""QuickXorHash against rclone's vectors and own ones, in one piece and in many."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox.quickxor import QuickXor, quick_xor

VECTORS: list[dict[str, Any]] = [
    vector
    for part in json.loads(Path(__file__).with_name("quickxorhash-vectors.json").read_text()).values()
    if isinstance(part, list)
    for vector in part
]
#: Content that the vectors describe in words.
_DESCRIBED = {
    "1000 zero bytes": bytes(1000),
    '"abc" * 100000': b"abc" * 100_000,
    "327680 bytes i%251": bytes(number % 251 for number in range(327_680)),
}


def content(vector: dict[str, Any]) -> bytes:
    return _DESCRIBED[vector["desc"]] if vector["b64in"] is None else base64.b64decode(vector["b64in"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector.get('desc', 'rclone')}-{vector['size']}")
def test_vectors(vector: dict[str, Any]) -> None:
    assert len(content(vector)) == vector["size"]
    assert quick_xor(content(vector)) == vector["quickXorHash"]


@given(st.lists(st.binary(max_size=400), max_size=8))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    running = QuickXor()
    for piece in pieces:
        running.update(piece)
        copy = running.copy()
    assert running.digest() == quick_xor(b"".join(pieces))
    if pieces:
        copy.update(b"x")
        assert copy.digest() == quick_xor(b"".join(pieces) + b"x")
        assert running.digest() == quick_xor(b"".join(pieces)), "a copy stands alone"
