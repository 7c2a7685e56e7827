"""Advisory locks that archivers take among themselves. All last until the end of their transaction."""

from typing import Final

CLASS: Final = 0x53484442
"""Keeps our locks apart from those of other programs in the same database."""
MIGRATE: Final = 1
BOARDS: Final = 2
"""Held while a board is copied (closed, or a snapshot of it taken) and while a user is erased: a copy must not bring
back a user whose rows are being deleted."""
