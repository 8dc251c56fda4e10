"""QuickXorHash against published vectors (rclone's, MIT, and some of our own computed by an independent program)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.quickxor import QuickXor

VECTORS = json.loads(Path(__file__).with_name("quickxorhash-vectors.json").read_text("utf-8"))["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: str(one["size"]))
def test_vector(vector: dict[str, str]) -> None:
    running = QuickXor()
    running.update(base64.b64decode(vector["b64in"]))
    assert running.base64() == vector["quickXorHash"]
    assert running.size == int(vector["size"])


def test_a_long_content() -> None:
    running = QuickXor()
    running.update(b"abc" * 100_000)
    assert running.base64() == "AAAAAAAAAAAAAAAA4JMEAAAAAAA="
    running = QuickXor()
    running.update(bytes(number % 251 for number in range(327_680)))
    assert running.base64() == "dVxjLVlWbbPTEZb19aiSkx+BLpI="
    assert running.hexdigest() == running.digest().hex()


@given(content=st.binary(max_size=40_000), cuts=st.lists(st.integers(0, 40_000), max_size=6))
def test_pieces_of_any_length(content: bytes, cuts: list[int]) -> None:
    whole, pieces, last = QuickXor(), QuickXor(), 0
    whole.update(content)
    for cut in sorted({*cuts, len(content)}):
        pieces.update(content[last:cut])
        last = max(last, min(cut, len(content)))
    pieces.update(content[last:])
    assert pieces.digest() == whole.digest()
    assert pieces.size == len(content)
