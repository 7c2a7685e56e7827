"""The ids of the glossary as distinct types, so that a shard cannot be passed for a user nor an offset for an epoch."""

import re
from typing import Final, NewType

UserId = NewType("UserId", str)
ActionId = NewType("ActionId", str)
Id16 = NewType("Id16", bytes)
"""16 bytes: the identity of one action of one user (`contracts.identity`)."""
Partition = NewType("Partition", int)
ShardId = NewType("ShardId", str)
Offset = NewType("Offset", int)
"""Always the next offset to read."""
Epoch = NewType("Epoch", int)
LogMs = NewType("LogMs", int)
"""A partition's log time in unix ms: max(so far, the record's append time)."""
Window = NewType("Window", int)
PeriodId = NewType("PeriodId", str)

USER_ID_BYTES_MAX: Final = 128
"""UTF-8 bytes. Long enough for any OIDC subject, short enough that 100 rows stay in one packet train."""
NAME_BYTES_MAX: Final = 256
SCORE_LIMIT: Final = 2**53
"""Scores are doubles in Redis: whole numbers are exact strictly below this magnitude."""

_SHARD_ID = re.compile(r"[a-z][a-z0-9-]{0,31}")


def parse_shard_id(text: str) -> ShardId:
    """Return the shard id, or raise ValueError that states the rule."""
    if _SHARD_ID.fullmatch(text) is None:
        raise ValueError(f"shard id {text!r} must match ^[a-z][a-z0-9-]{{0,31}}$")
    return ShardId(text)


def user_id_fault(text: str) -> str | None:
    """Say why `text` cannot be a user id, or None if it can: 1 to 128 UTF-8 bytes, no NUL, no lone surrogate."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "must be valid Unicode without lone surrogates"
    if size == 0:
        return "must not be empty"
    if size > USER_ID_BYTES_MAX:
        return f"must be at most {USER_ID_BYTES_MAX} bytes of UTF-8, not {size}"
    if "\0" in text:
        return "must not contain NUL"
    return None
