"""QuickXorHash, the only content hash of OneDrive for Business and SharePoint, as bytes stream by.

Byte ``i`` of the content is XORed into a ring of 160 bits at bit ``11 * i mod 160``; at the end the length, 64 bits
little endian, is XORed into the last 8 of the 20 bytes (OneDrive API docs, code-snippets/quickxorhash). As 11 * 160 is
a multiple of 160, bytes 160 apart meet the same bits: whatever comes is first XORed into one block of 160 bytes, wide
rows at a time, and only that block is turned into the ring.
"""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt

_BLOCK, _BITS, _STEP = 160, 160, 11
#: Blocks XORed side by side: long rows let numpy work at the speed of memory.
_WIDE = 64
#: For each bit of the block, the first byte's lowest bit first, where in the ring it lands.
_LANDS = ((np.arange(_BLOCK)[:, None] * _STEP + np.arange(8)) % _BITS).ravel()


class QuickXor:
    """A hash in the making; ``size`` is the number of bytes so far."""

    __slots__ = ("_block", "size")

    def __init__(self) -> None:
        self._block = np.zeros(_BLOCK, dtype=np.uint8)
        self.size = 0

    def update(self, piece: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes; pieces of any length."""
        new = np.frombuffer(piece, dtype=np.uint8)
        # What came so far may have ended inside a block: fill that first, so that all else is aligned.
        begun = self.size % _BLOCK
        self.size += len(new)
        if begun:
            first, new = new[: _BLOCK - begun], new[_BLOCK - begun :]
            self._block[begun : begun + len(first)] ^= first
        for width in (_BLOCK * _WIDE, _BLOCK):
            whole = len(new) // width * width
            if whole:
                self._block ^= _folded(new[:whole], width)
                new = new[whole:]
        self._block[: len(new)] ^= new

    def digest(self) -> bytes:
        """The 20 bytes."""
        bits = np.unpackbits(self._block, bitorder="little")
        # Bits that land in the same place are XORed: what counts is whether their number is odd.
        odd = np.bincount(_LANDS, weights=bits, minlength=_BITS).astype(np.uint8) & 1
        ring = int.from_bytes(np.packbits(odd, bitorder="little").tobytes(), "little") ^ (self.size << (_BITS - 64))
        return ring.to_bytes(_BITS // 8, "little")

    def hexdigest(self) -> str:
        """The hash as a ``Digest`` holds it: 40 hexadecimal digits."""
        return self.digest().hex()

    def base64(self) -> str:
        """The hash as Graph writes it."""
        return base64.b64encode(self.digest()).decode()


def _folded(pieces: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    rows = np.bitwise_xor.reduce(pieces.reshape(-1, width), axis=0)
    block: npt.NDArray[np.uint8] = np.bitwise_xor.reduce(rows.reshape(-1, _BLOCK), axis=0)
    return block
