"""What a moderator may do, and the record that it becomes. The record is the only write: the archiver makes the audit's
row from it, the workers its effect, in the log's order. Pure; postgres_actions.py finds what a void takes back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.ids import SCORE_LIMIT, USER_ID_BYTES_MAX, ActionId, UserId, user_id_fault
from contracts.problems import ACTION_NOT_ARCHIVED, ACTION_NOT_COUNTED
from contracts.record import (
    VERSION,
    AdjustRecord,
    EraseRecord,
    HideRecord,
    Record,
    UnhideRecord,
    VoidRecord,
    encode,
)
from gateway.problem import Problem
from gateway.strict_body import invalid, parse_strict

REASON_CHARS_MAX: Final = 1_000
COUNTED: Final = "counted"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)

Kind = Literal["hide", "unhide", "adjust", "void", "erase"]
KINDS: Final[tuple[Kind, ...]] = ("hide", "unhide", "adjust", "void", "erase")


class ModerationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of hide, unhide and erase: whom, and why."""

    user_id: Annotated[
        str, Meta(min_length=1, max_length=USER_ID_BYTES_MAX, description="1 to 128 bytes of UTF-8, no NUL")
    ]
    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARS_MAX, description="stands in the audit")]
    id: (
        Annotated[UUID, Meta(description="the same id is carried out once; made and returned if absent")] | UnsetType
    ) = UNSET


class AdjustBody(ModerationBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of adjust: by how much."""

    points: Annotated[int, Meta(gt=-SCORE_LIMIT, lt=SCORE_LIMIT, description="added to the user's scores; not 0")]
    timestamp: (
        Annotated[datetime, Meta(tz=True, description="the moment whose open boards change; now if absent")] | UnsetType
    ) = UNSET


class VoidBody(ModerationBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of void: which action of the user is taken back."""

    action_id: Annotated[UUID, Meta(description="as its receipt said")]


class ModerationReceipt(msgspec.Struct, frozen=True):
    """Recorded: durable in the log, at this place, and in force a moment later."""

    id: str
    kind: Kind
    user_id: str
    points: int
    """By how much a score changes: of adjust and void; 0 otherwise."""
    partition: int
    offset: int | None
    """null: recorded, but a retry inside Kafka's client lost the place."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a moderator wants done, ready for the log."""

    kind: Kind
    user_id: UserId
    id: ActionId
    points: int
    record: bytes


@dataclass(frozen=True, slots=True)
class ArchivedAction:
    """The newest row of the archive about one action id of a user."""

    offset: int
    log_ms: int
    at_ms: int
    points: int
    outcome: str
    is_voided: bool


AnyBody = ModerationBody | AdjustBody | VoidBody
BODIES: Final[dict[Kind, type[AnyBody]]] = {
    "hide": ModerationBody,
    "unhide": ModerationBody,
    "adjust": AdjustBody,
    "void": VoidBody,
    "erase": ModerationBody,
}
_decoders: Final = {kind: msgspec.json.Decoder(body) for kind, body in BODIES.items()}
_plain: Final[dict[str, type[HideRecord] | type[UnhideRecord] | type[EraseRecord]]] = {
    "hide": HideRecord,
    "unhide": UnhideRecord,
    "erase": EraseRecord,
}


def parse_order(kind: Kind, data: bytes, *, now_ms: int, ahead_ms: int) -> AnyBody | Problem:
    """Read a body, or say what is wrong with it."""
    body = parse_strict(data, _decoders[kind])
    if isinstance(body, Problem):
        return body
    fault = user_id_fault(body.user_id)
    if fault is not None:
        return invalid("user_id", fault)
    if not body.reason.strip() or "\0" in body.reason:
        return invalid("reason", "must say why")
    if isinstance(body, AdjustBody):
        if body.points == 0:
            return invalid("points", "must not be 0")
        if not 0 <= _at_ms(body, now_ms) <= now_ms + ahead_ms:
            return invalid("timestamp", "must lie between 1970 and now")
    return body


def order(
    kind: Kind, body: AnyBody, *, by: UserId, now_ms: int, new_id: Callable[[], UUID], found: ArchivedAction | None
) -> Order | Problem:
    """The record of a good body. `found`: for void, what the archive has of the action; otherwise None."""
    common: dict[str, Any] = {
        "v": VERSION,
        "id": ActionId(str(new_id() if body.id is UNSET else body.id)),
        "user_id": UserId(body.user_id),
        "received_at": now_ms,
        "by": by,
        "reason": body.reason,
    }
    points = 0
    record: Record
    if isinstance(body, AdjustBody):
        points = body.points
        record = AdjustRecord(points=points, at=_at_ms(body, now_ms), **common)
    elif isinstance(body, VoidBody):
        fault = _void_fault(found)
        if fault is not None:
            return fault
        assert found is not None
        points = -found.points
        record = VoidRecord(
            void_id=ActionId(str(body.action_id)),
            void_offset=found.offset,
            void_at=found.at_ms,
            void_log_ms=found.log_ms,
            points=found.points,
            **common,
        )
    else:
        record = _plain[kind](**common)
    return Order(kind, record.user_id, record.id, points, encode(record))


def _void_fault(found: ArchivedAction | None) -> Problem | None:
    if found is None:
        return Problem(
            ACTION_NOT_ARCHIVED,
            "The archive has no action with this id of this user. It follows the log within seconds: if the action is "
            "new, ask again in a moment. Actions of erased users, and those older than the archive keeps, are gone.",
            headers=((b"retry-after", b"2"),),
        )
    if found.outcome != COUNTED:
        return Problem(
            ACTION_NOT_COUNTED, f"The action did not count ({found.outcome}): there is nothing to take back."
        )
    if found.is_voided:
        return Problem(ACTION_NOT_COUNTED, "The action was taken back already.")
    return None


def _at_ms(body: AdjustBody, now_ms: int) -> int:
    return now_ms if body.timestamp is UNSET else (body.timestamp - _EPOCH) // _MS
