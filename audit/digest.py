"""An order-independent digest of rows: equal contents give equal digests, whatever order they are read in. Pure."""

from hashlib import blake2b
from typing import Final

_MODULUS: Final = 2**128


class RowDigest:
    """Sum modulo 2^128 of each row's BLAKE2b-128: rows may come in any order and may be taken out again."""

    def __init__(self) -> None:
        self._sum = 0
        self.rows = 0

    def add(self, *row: str | bytes | int) -> None:
        """One row. A row given twice counts twice."""
        self._sum = (self._sum + row_hash(*row)) % _MODULUS
        self.rows += 1

    def hex(self) -> str:
        """32 hexadecimal digits."""
        return f"{self._sum:032x}"


def row_hash(*row: str | bytes | int) -> int:
    """Fields are framed by type and length, so that no two rows share their bytes."""
    digest = blake2b(digest_size=16)
    for cell in row:
        kind, data = (b"b", cell) if isinstance(cell, bytes) else (b"t" if isinstance(cell, str) else b"n",
                                                                 str(cell).encode())  # fmt: skip
        digest.update(kind + len(data).to_bytes(4, "big") + data)
    return int.from_bytes(digest.digest(), "big")
