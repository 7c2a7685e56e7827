"""Sets of line numbers as ranges."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardboard.replay.ranges import contains, count, merge, numbers_of, to_ranges

NUMBERS = st.sets(st.integers(1, 60))


@given(NUMBERS)
def test_ranges_hold_exactly_their_numbers(numbers: set[int]) -> None:
    ranges = to_ranges(numbers)
    assert set(numbers_of(ranges)) == numbers
    assert count(ranges) == len(numbers)
    assert {number for number in range(62) if contains(ranges, number)} == numbers
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(ranges))


@given(st.lists(NUMBERS))
def test_merging_is_the_union(sets: list[set[int]]) -> None:
    assert merge(each for numbers in sets for each in to_ranges(numbers)) == to_ranges(set().union(*sets))


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        merge([(5, 4)])
