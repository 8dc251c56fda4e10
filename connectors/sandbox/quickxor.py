"""QuickXorHash, the only content hash of OneDrive for Business and SharePoint, incrementally and fast.

Byte ``i`` is XORed into a 160-bit register at bit ``11 * i mod 160``; the length (64 bits, little endian) is XORed into
the last eight bytes (OneDrive: code-snippets/quickxorhash). The position repeats every 160 bytes, so all rows of 160
bytes are first XORed into one, which numpy does at the speed of memory, and only that row is rotated.
"""

from __future__ import annotations

import base64

import numpy as np

_ROW, _BITS, _SHIFT = 160, 160, 11
_MASK = (1 << _BITS) - 1


class QuickXor:
    """A running hash; ``length`` counts the bytes so far."""

    __slots__ = ("_carry", "_row", "length")

    def __init__(self) -> None:
        self._row = np.zeros(_ROW // 8, dtype=np.uint64)
        self._carry = b""
        self.length = 0

    def update(self, piece: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes."""
        self.length += len(piece)
        if self._carry:
            piece = self._carry + bytes(piece)
        whole = len(piece) // _ROW * _ROW
        if whole:
            rows = np.frombuffer(piece, dtype=np.uint64, count=whole // 8).reshape(-1, _ROW // 8)
            self._row ^= np.bitwise_xor.reduce(rows, axis=0)
        self._carry = bytes(piece[whole:])

    def copy(self) -> QuickXor:
        """An independent hash of the same bytes so far."""
        other = QuickXor()
        other._row, other._carry, other.length = self._row.copy(), self._carry, self.length
        return other

    def digest(self) -> str:
        """The hash of all bytes so far, base64 of 20 bytes, as Graph writes it."""
        row = bytearray(self._row.tobytes())
        for position, value in enumerate(self._carry):
            row[position] ^= value
        register = 0
        for position, value in enumerate(row):
            if value:
                shift = position * _SHIFT % _BITS
                register ^= value << shift
        # A byte at bits 153 to 159 wraps around: what was shifted out at the top comes in at the bottom.
        register = (register & _MASK) ^ (register >> _BITS)
        register ^= self.length << 96
        return base64.b64encode(register.to_bytes(20, "little")).decode()


def quick_xor(content: bytes) -> str:
    """The hash of bytes in memory."""
    running = QuickXor()
    running.update(content)
    return running.digest()
