"""Sets of line numbers as sorted, disjoint, inclusive ranges: small in memory and in the journal."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


def to_ranges(numbers: Iterable[int]) -> list[Range]:
    """The ranges that hold exactly these numbers."""
    return merge((number, number) for number in numbers)


def merge(ranges: Iterable[Range]) -> list[Range]:
    """The same set with neighbours joined. Raises ValueError for a range that ends before it begins."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if last < first:
            raise ValueError(f"range {first}…{last} ends before it begins")
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def count(ranges: Iterable[Range]) -> int:
    """How many numbers merged ranges hold."""
    return sum(last - first + 1 for first, last in ranges)


def contains(ranges: list[Range], number: int) -> bool:
    """Whether merged ranges hold this number."""
    place = bisect_right(ranges, number, key=lambda each: each[0])
    return place > 0 and number <= ranges[place - 1][1]


def numbers_of(ranges: Iterable[Range]) -> Iterator[int]:
    """Every number, ascending."""
    for first, last in ranges:
        yield from range(first, last + 1)
