"""The layouts that the functions of the shards read and write, byte for byte."""

from typing import TypeVar

import msgspec

from contracts.board_reads import (
    Better,
    Page,
    Part,
    Row,
    Standing,
    Ties,
    decode_better,
    decode_pages,
    decode_standings,
    decode_ties,
    encode_query,
)
from contracts.ids import LogMs, Offset, UserId
from contracts.periods import ALL_TIME

Told = TypeVar("Told")


def test_a_query_is_one_map_with_the_period_in_it() -> None:
    assert encode_query(ALL_TIME, since=[1], scores=[-5]).hex() == (
        "83a6706572696f64a8616c6c5f74696d65a573696e63659101a673636f72657391fb"
    )


def test_answers_are_arrays_and_false_is_nothing() -> None:
    def packed(*parts: object) -> bytes:
        return msgspec.msgpack.encode(parts)

    def part(told: Told) -> Part[Told]:
        return Part(Offset(7), LogMs(8), 9, told)

    ada, bob = Row(UserId("ada"), 5, LogMs(1), "Ada"), Row(UserId("bob"), 5, LogMs(2))
    assert decode_standings(packed([7, 8, 9, [[5, 1, 0, False, False], False]], False)) == [
        part((Standing(5, LogMs(1), 0, False, False), False)),
        False,
    ]
    assert decode_better(packed([7, 8, 9, [[1, 2], [False, 6]]])) == [part(Better((1, 2), (False, 6)))]
    page = [7, 8, 9, [[["ada", 5, 1, "Ada"], ["bob", 5, 2, False]], "more", 0]]
    assert decode_pages(packed(page)) == [part(Page((ada, bob), "more", 0))]
    assert decode_ties(packed([7, 8, 9, [[], "bob"]])) == [part(Ties((), UserId("bob")))]
