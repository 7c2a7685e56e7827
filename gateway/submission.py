"""Judges the body of POST /actions: who may write what for whom, and its worth. Pure: clock and ids are given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.catalogue import CatalogueEntry
from contracts.counting import CountingRules
from contracts.ids import USER_ID_BYTES_MAX, ActionId, UserId, user_id_fault
from contracts.problems import (
    FOREIGN_USER,
    TIMESTAMP_OUTSIDE_WINDOW,
    UNKNOWN_ACTION,
    FieldError,
)
from contracts.record import VERSION, ActionRecord, Limits, encode
from contracts.tokens import SCOPE_BACKFILL, SCOPE_WRITE_ANY
from gateway.problem import Problem
from gateway.strict_body import body_fault, given_twice, invalid, repeated_member
from gateway.tickets import TICKET_CHARS_MAX, Ticket, judge_ticket
from gateway.token_rules import Caller

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
NewId = Callable[[], UUID | ActionId]
"""Makes an id for an action whose client gave none."""
_QUOTES_PER_MEMBER: Final = 4
"""Every member of our bodies is a name and a text: two pairs of quotes."""


class ActionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says happened. It never says what that is worth."""

    user_id: Annotated[
        str, Meta(min_length=1, max_length=USER_ID_BYTES_MAX, description="1 to 128 bytes of UTF-8, no NUL")
    ]
    action: Annotated[str, Meta(min_length=1, max_length=64, description="a name from the action catalogue")]
    timestamp: (
        Annotated[datetime, Meta(tz=True, description="when it happened, with offset; the server's time if absent")]
        | UnsetType
    ) = UNSET
    action_id: (
        Annotated[UUID, Meta(description="the same id is counted once; made and returned if absent")] | UnsetType
    ) = UNSET
    ticket: (
        Annotated[str, Meta(max_length=TICKET_CHARS_MAX, description="from POST /tickets, for actions that need one")]
        | UnsetType
    ) = UNSET


class ActionReceipt(msgspec.Struct, frozen=True):
    """Recorded: the action is durable in the log, at this place."""

    action_id: UUID
    points: int
    partition: int
    offset: int | None
    """null: recorded, but a retry inside Kafka's client lost the place."""


class Submission(msgspec.Struct, frozen=True):
    """A good action, ready for the log."""

    user_id: UserId
    action_id: ActionId
    points: int
    record: bytes


@dataclass(frozen=True, slots=True)
class SubmissionRules:
    """What judging needs to know of the deployment."""

    catalogue: Mapping[str, CatalogueEntry]
    rules: CountingRules
    backfill_kept_ms: int
    ticket_key: bytes


_decoder = msgspec.json.Decoder(ActionBody)


def parse_body(data: bytes) -> ActionBody | Problem:
    """Read a body strictly: no unknown, repeated or missing member, no other type, valid Unicode."""
    try:
        body = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return body_fault(error)
    members = 2 + (body.timestamp is not UNSET) + (body.action_id is not UNSET) + (body.ticket is not UNSET)
    # msgspec keeps the last of two equal members. Where the quotes add up, there cannot be two.
    if data.count(b'"') != members * _QUOTES_PER_MEMBER or b"\\" in data:
        repeated = repeated_member(data)
        if repeated is not None:
            return given_twice(repeated)
    return body


def judge(
    body: ActionBody, caller: Caller, *, now_ms: int, rules: SubmissionRules, new_id: NewId
) -> Submission | Problem:
    """Decide about a well-formed body. `new_id` is called only if the client gave none."""
    fault = user_id_fault(body.user_id)
    if fault is not None:
        return invalid("user_id", fault)
    user_id = UserId(body.user_id)
    is_own = user_id == caller.subject
    if not is_own and not caller.may_write_any:
        return Problem(
            FOREIGN_USER, f"The token speaks for another user than user_id; writing for others needs {SCOPE_WRITE_ANY}."
        )
    entry = rules.catalogue.get(body.action)
    if entry is None:
        return Problem(UNKNOWN_ACTION, f"The catalogue has no action {body.action!r}.")
    at_ms = now_ms if body.timestamp is UNSET else (body.timestamp - _EPOCH) // _MS
    is_old = at_ms < now_ms - rules.rules.back_ms
    if at_ms > now_ms + rules.rules.ahead_ms or at_ms < 0 or (is_old and not caller.may_backfill):
        return _outside_window(rules.rules)
    ticket: Ticket | None = None
    if entry.ticket is not None or body.ticket is not UNSET:
        judged = _ticket(body, entry, key=rules.ticket_key, now_ms=now_ms)
        if isinstance(judged, Problem):
            return judged
        ticket = judged
    given = body.action_id if ticket is None else ticket.action_id
    action_id = ActionId(str(new_id() if given is UNSET else given))
    record = ActionRecord(
        v=VERSION,
        id=action_id,
        user_id=user_id,
        received_at=now_ms,
        action=entry.name,
        points=entry.points,
        at=at_ms,
        name=caller.name if is_own else None,
        limits=_limits(entry),
        keep_until=_keep_until(ticket, rules, now_ms=now_ms, is_old=is_old) if is_old or ticket else None,
    )
    return Submission(user_id, action_id, entry.points, encode(record))


def _ticket(body: ActionBody, entry: CatalogueEntry, *, key: bytes, now_ms: int) -> Ticket | Problem | None:
    text = None if body.ticket is UNSET else body.ticket
    ticket = judge_ticket(text, entry, user_id=UserId(body.user_id), key=key, now_ms=now_ms)
    if isinstance(ticket, Ticket) and body.action_id is not UNSET and body.action_id != ticket.action_id:
        return invalid("action_id", "must be the ticket's, or be left out")
    return ticket


def _keep_until(ticket: Ticket | None, rules: SubmissionRules, *, now_ms: int, is_old: bool) -> int | None:
    """Until when the id must be remembered beyond its window, if it must."""
    ends = [now_ms + rules.backfill_kept_ms] if is_old and rules.backfill_kept_ms else []
    if ticket is not None:
        ends.append(ticket.keep_until_ms(rules.rules))
    return max(ends, default=None)


def _limits(entry: CatalogueEntry) -> Limits | None:
    if entry.limits is None:
        return None
    return Limits(cap_per_day=entry.limits.cap_per_day, cooldown_ms=entry.limits.cooldown_ms)


def _outside_window(rules: CountingRules) -> Problem:
    return Problem(
        TIMESTAMP_OUTSIDE_WINDOW,
        f"timestamp may be at most {rules.back_ms // 1000} s old and {rules.ahead_ms // 1000} s ahead of the server; "
        f"older ones need the scope {SCOPE_BACKFILL}.",
        errors=(FieldError("#/timestamp", "is outside the accepted window"),),
    )
