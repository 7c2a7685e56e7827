"""What is known of an action from a shard's position and the archive's rows."""

import pytest

from contracts.ids import LogMs, UserId
from gateway.rank_counts import Place
from gateway.receipts import Archived, receipt, state_of


@pytest.mark.parametrize(
    ("archived", "is_counted", "offset", "expected"),
    [
        (None, False, None, None),
        (None, True, None, "applied"),
        (None, False, 10, "accepted"),  # not applied yet
        (None, True, 10, "accepted"),  # an earlier record with this id counted: this one is a repeat that comes
        (None, False, 9, "accepted"),  # decided, but only the archive knows how
        (None, True, 9, "applied"),
        (Archived("counted", 9), False, None, "applied"),
        (Archived("counted", 10), False, None, "accepted"),  # the archive is ahead of the boards
        (Archived("repeat", 9), True, 9, "repeat"),
        (Archived("capped", 9), False, None, "capped"),
        (Archived("dead", 9), False, None, "dead"),
    ],
)
def test_states(archived: Archived | None, is_counted: bool, offset: int | None, expected: str | None) -> None:
    assert state_of(archived, is_counted=is_counted, offset=offset, next_offset=10) == expected


def test_a_hidden_user_s_place_is_told_to_himself_only() -> None:
    place = Place(UserId("ada"), 5, LogMs(1), 2, 9, None, is_hidden=True, positions=())
    told = [receipt("id", "ada", state="applied", place=place, is_self=is_self) for is_self in (True, False)]
    assert [(each.score, each.rank, each.total) for each in told] == [(5, 2, 9), (None, None, None)]
