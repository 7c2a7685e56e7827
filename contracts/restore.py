"""Restores of partitions: what an operator asks of a shard's worker, and what the worker tells about each of them.

Both travel through the shard's own Redis as JSON, so that only the partition's owner ever writes its keys."""

from enum import StrEnum
from typing import Final

import msgspec

from contracts.ids import Partition


class RestoreSource(StrEnum):
    """What a partition is restored from. The log is read on from there in any case."""

    POSTGRES = "postgres"
    LOG = "log"


class RestoreState(StrEnum):
    """How far a restore is."""

    WAITING = "waiting"
    WRITING = "writing"
    CATCHING_UP = "catching_up"
    """The partition is owned, and the log is applied from there."""
    REFUSED = "refused"
    """It cannot be restored; the worker tries again by itself."""


class RestoreRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make this partition anew. Kept under its id until the worker has done it, or refused it for good."""

    partition: Partition
    source: RestoreSource | None = None
    """None: what is best."""


class RestoreStatus(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The newest restore of one partition."""

    state: RestoreState
    request: str = ""
    """The request's id; empty when the worker began by itself."""
    source: RestoreSource | None = None
    reason: str = ""
    """Why it is restored, or why it cannot be."""
    rows: int = 0
    rows_total: int = 0
    next_offset: int = 0
    """Where the restored state stands in the log."""
    end_offset: int = 0
    """Where the log ended then."""
    changed_ms: int = 0


REQUESTS_MAX: Final = 10_000
"""More than partitions of any deployment: what is beyond them is nobody's request."""
decode_request: Final = msgspec.json.Decoder(RestoreRequest).decode
decode_status: Final = msgspec.json.Decoder(RestoreStatus).decode
encode_json: Final = msgspec.json.Encoder().encode
