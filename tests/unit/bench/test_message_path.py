"""Which publications a board needed: those that changed its rows, and beats; all others could have been left out."""

from bench.message_path import Needs, needs_of
from contracts.tops import ShardTop
from tests.support.shard_tops import shard_top


def top(shard: str, scores: dict[str, int], *, sequence: int, partition: int = 0) -> ShardTop:
    return shard_top(shard, {partition: (1, sequence)}, boards={"all_time": scores}, sequence=sequence)


def many(first: int, count: int) -> dict[str, int]:
    return {f"user-{n}": 1_000 + n for n in range(first, first + count)}


def test_what_changes_the_board_is_needed_and_what_stays_below_it_is_not() -> None:
    """A hundred users of s1 fill the board; s2 has only users below them, until one passes."""
    known = [top("s1", many(0, 100), sequence=1), top("s2", {"low": 5}, sequence=1, partition=1)]
    publications = [
        top("s2", {"low": 6}, sequence=2, partition=1),
        top("s2", {"low": 7, "lower": 1}, sequence=3, partition=1),
        top("s2", {"low": 5_000, "lower": 1}, sequence=4, partition=1),
    ]
    assert needs_of(known, publications) == Needs(sent=3, changing=1, beats=0)


def test_a_publication_without_news_is_a_beat() -> None:
    known = [top("s1", {"ada": 5}, sequence=1)]
    publications = [
        top("s1", {"ada": 5}, sequence=2),
        top("s1", {"ada": 6}, sequence=3),
        top("s1", {"ada": 6}, sequence=4),
    ]
    assert needs_of(known, publications) == Needs(sent=3, changing=1, beats=2)


def test_what_was_known_when_listening_began_is_not_counted() -> None:
    known = [top("s1", {"ada": 5}, sequence=3)]
    publications = [top("s1", {"ada": 4}, sequence=2), top("s1", {"ada": 5}, sequence=3)]
    assert needs_of(known, publications) == Needs(sent=0, changing=0, beats=0)
