"""Ids for actions whose clients gave none: UUIDs of version 4 as text, from randomness of the system read in bulk.

`uuid.uuid4` asks the system each time, and costs as much as judging the action."""

import os
from typing import Final

from contracts.ids import ActionId

_BYTES: Final = 16
_AT_ONCE: Final = 256
"""Ids read at once: 4 KiB, a quarter of a second's at 1,000 actions per second."""
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class FreshIds:
    """Makes ids. One owner: a process that is forked would make the same again."""

    def __init__(self) -> None:
        self._pool: list[bytes] = []

    def __call__(self) -> ActionId:
        """The next one."""
        if not self._pool:
            drawn = os.urandom(_BYTES * _AT_ONCE)
            self._pool = [drawn[at : at + _BYTES] for at in range(0, len(drawn), _BYTES)]
        digits = self._pool.pop().hex()
        return ActionId(
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"
        )
