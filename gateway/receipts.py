"""What became of an action: accepted into the log, then applied to the boards, or a repeat, or capped. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from gateway.rank_counts import Place

State = Literal["accepted", "applied", "repeat", "capped", "dead"]
_OUTCOMES: Final[dict[str, State]] = {"counted": "applied", "repeat": "repeat", "capped": "capped", "dead": "dead"}


class Receipt(msgspec.Struct, frozen=True):
    """One action, as far as is known now."""

    action_id: str
    user_id: str
    state: State
    """accepted: in the log, not yet on the boards. applied: its points count. repeat, capped: they do not. dead: the
    record could not be read."""
    score: int | None
    """The user's score of all time now, with the action once it is applied; null while none is shown."""
    rank: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Archived:
    """What the archive has of an action."""

    outcome: str
    offset: int


def state_of(archived: Archived | None, *, is_counted: bool, offset: int | None, next_offset: int) -> State | None:
    """What is known of an action; None when nothing is.

    The archive tells of one record, a shard only whether the id counted lately, and how far it is: a record beyond that
    is not on the boards yet, even if the archive has it. One before it that did not count is decided already, and the
    archive will say how. `next_offset` was read before the archive.
    """
    at = offset if archived is None else archived.offset
    if at is not None and at >= next_offset:
        return "accepted"
    if archived is not None:
        return _OUTCOMES.get(archived.outcome)
    if is_counted:
        return "applied"
    return None if offset is None else "accepted"


def receipt(action_id: str, user_id: str, *, state: State, place: Place | None, is_self: bool) -> Receipt:
    """The answer, with where the user stands by now; a hidden user is told himself."""
    if place is None or (place.is_hidden and not is_self):
        return Receipt(action_id, user_id, state, None, None, None)
    return Receipt(action_id, user_id, state, place.score, place.rank, place.total)
