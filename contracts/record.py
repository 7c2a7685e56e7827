"""What Kafka stores: one record, one event, JSON. The log of these records is the truth from which all else is rebuilt.

Layout version 1. A change adds a version, its golden bytes in tests/contract, and a line here.
Times are unix milliseconds, UTC. `at` is when it happened (the client's word, checked by the gateway), `received_at`
the gateway's clock. Neither orders anything: order is the log's.
"""

from typing import Final, Literal

import msgspec

from contracts.catalogue import POINTS_MAX, POINTS_MIN
from contracts.ids import NAME_BYTES_MAX, SCORE_LIMIT, ActionId, UserId, user_id_fault

VERSION: Final = 1
RECORD_BYTES_MAX: Final = 64 * 1024
"""An action is about 200 bytes; a profile's metadata is the largest. Above this a record is dead on arrival."""
_AT_LIMIT_MS: Final = 253_370_764_800_000
"""Year 9999: RFC 3339 and calendars end a year later, so that every period that begins before it also has an end."""
_COOLDOWN_MS_MAX: Final = 86_400_000
"""A day: the longest that a reader of the log must remember a user's last action of a kind."""
_CAP_PER_DAY_MAX: Final = 1_000_000


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Exact limits that travel with an action, so that every reader of the log decides alike."""

    cap_per_day: int | None = None
    """Counted actions of this name per user and UTC day of log time."""
    cooldown_ms: int | None = None
    """Least distance in `received_at` to the user's previous counted action of this name."""


class _Base(
    msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    v: Literal[1]
    id: ActionId
    user_id: UserId
    received_at: int


class ActionRecord(_Base, frozen=True, tag="action"):
    """A user did something that the catalogue gives points for."""

    action: str
    points: int
    at: int
    name: str | None = None
    limits: Limits | None = None
    keep_until: int | None = None
    """Unix ms of log time up to which the id must be remembered, for ids that live longer than a window."""


class ProfileRecord(_Base, frozen=True, tag="profile"):
    """A user's display name and metadata, newest wins."""

    name: str | None = None
    metadata: dict[str, str] | None = None


class AdjustRecord(_Base, frozen=True, tag="adjust"):
    """A moderator adds or takes points, with a reason."""

    points: int
    at: int
    by: str
    reason: str


class VoidRecord(_Base, frozen=True, tag="void"):
    """A moderator takes back one earlier action that counted; its facts are read from the archived row."""

    void_id: ActionId
    void_offset: int
    void_at: int
    void_log_ms: int
    points: int
    by: str
    reason: str


class HideRecord(_Base, frozen=True, tag="hide"):
    """The user leaves every board; the score is parked and goes on counting."""

    by: str
    reason: str


class UnhideRecord(_Base, frozen=True, tag="unhide"):
    """The parked score returns exactly as it would stand."""

    by: str
    reason: str


class EraseRecord(_Base, frozen=True, tag="erase"):
    """The user's data goes from every store but the log."""

    by: str
    reason: str


Control = ProfileRecord | AdjustRecord | VoidRecord | HideRecord | UnhideRecord | EraseRecord
Record = ActionRecord | Control

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class BadRecord(ValueError):
    """The bytes are not a record that this version understands; the message is the dead letter's reason."""


def encode(record: Record) -> bytes:
    """The record's bytes in the log."""
    return _encoder.encode(record)


def decode(value: bytes | None) -> Record:
    """Read a record from the log.

    Raises BadRecord for everything that a correct gateway would not have written: no value, other layout, bounds.
    """
    if value is None:
        raise BadRecord("no value")
    if len(value) > RECORD_BYTES_MAX:
        raise BadRecord(f"{len(value)} bytes, at most {RECORD_BYTES_MAX}")
    try:
        record = _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord(str(error) or type(error).__name__) from error
    fault = fault_of(record)
    if fault is not None:
        raise BadRecord(fault)
    return record


def fault_of(record: Record) -> str | None:
    """Say what is out of bounds in a well-formed record, or None."""
    user_fault = user_id_fault(record.user_id)
    if user_fault is not None:
        return f"user_id {user_fault}"
    if not 1 <= len(record.id) <= 128:
        return "id must have 1 to 128 characters"
    if not 0 <= record.received_at < _AT_LIMIT_MS:
        return f"received_at {record.received_at} outside the years 1970 to 9998"
    if isinstance(record, ActionRecord):
        return _action_fault(record)
    if isinstance(record, ProfileRecord):
        return _name_fault(record.name)
    if isinstance(record, AdjustRecord | VoidRecord):
        at = record.at if isinstance(record, AdjustRecord) else record.void_at
        if not -SCORE_LIMIT < record.points < SCORE_LIMIT:
            return f"points {record.points} not below 2^53"
        if not 0 <= at < _AT_LIMIT_MS:
            return f"at {at} outside the years 1970 to 9998"
        if isinstance(record, VoidRecord) and not 0 <= record.void_offset < SCORE_LIMIT:
            return f"void_offset {record.void_offset} is no offset"
    return None


def _action_fault(record: ActionRecord) -> str | None:
    if not POINTS_MIN <= record.points <= POINTS_MAX:
        return f"points {record.points} outside {POINTS_MIN}…{POINTS_MAX}"
    if not 0 <= record.at < _AT_LIMIT_MS:
        return f"at {record.at} outside the years 1970 to 9998"
    if record.keep_until is not None and not 0 <= record.keep_until < _AT_LIMIT_MS:
        return f"keep_until {record.keep_until} outside the years 1970 to 9998"
    if record.limits is not None:
        cap, cooldown = record.limits.cap_per_day, record.limits.cooldown_ms
        if cap is not None and not 1 <= cap <= _CAP_PER_DAY_MAX:
            return f"cap_per_day {cap} outside 1…{_CAP_PER_DAY_MAX}"
        if cooldown is not None and not 1 <= cooldown <= _COOLDOWN_MS_MAX:
            return f"cooldown_ms {cooldown} outside 1…{_COOLDOWN_MS_MAX}"
    return _name_fault(record.name)


def _name_fault(name: str | None) -> str | None:
    if name is not None and len(name.encode(errors="surrogatepass")) > NAME_BYTES_MAX:
        return f"name longer than {NAME_BYTES_MAX} bytes"
    return None
