"""A page is the true one however partitions cut their answers; random boards, cuts, directions (the seed is shown)."""

import random
from typing import Any

import pytest

from contracts.board_reads import Page, Row, Ties
from contracts.ids import LogMs, Partition, UserId
from gateway.board_walk import AskPage, Mark, Walk, above_all_of, key_of


class Shelf:
    """One partition's rows, told in pieces as the function tells them."""

    def __init__(self, rows: list[Row], *, scan: int, chunk: int) -> None:
        self.rows = sorted(rows, key=key_of)
        self.scan, self.chunk = scan, chunk

    def beyond(self, cursor: Any, *, is_back: bool) -> list[Row]:
        rows = self.rows[::-1] if is_back else self.rows
        if isinstance(cursor, bool):
            return rows
        if len(cursor) == 1:
            return [row for row in rows if (row.score > cursor[0] if is_back else row.score < cursor[0])]
        key = Mark(*cursor).key
        return [row for row in rows if (key_of(row) < key if is_back else key_of(row) > key)]

    def page(self, ask: AskPage, *, is_back: bool) -> Page:
        told: list[Row] = []
        for row in self.beyond(ask.cursor, is_back=is_back):
            if sum(each.score == row.score for each in self.rows) > self.scan:
                return Page(tuple(told), "more" if told else "ties", row.score)
            told.append(row)
            if len(told) == ask.rows:
                return Page(tuple(told), "more", 0)
        return Page(tuple(told), "end", 0)

    def ties(self, group: Any, *, is_back: bool) -> Ties:
        score, after, cursor, wanted = group
        members = sorted((row for row in self.rows if row.score == score), key=lambda row: row.user_id.encode())
        if not isinstance(after, bool):
            members = [row for row in members if row.user_id.encode() > str(after).encode()]
        chunk, left = members[: self.chunk], members[self.chunk :]
        beyond = self.beyond(cursor, is_back=is_back)
        best = [row for row in beyond if row in chunk][:wanted]
        return Ties(tuple(best), chunk[-1].user_id if left else False)


def run(walk: Walk, shelves: dict[Partition, Shelf], *, is_back: bool) -> int:
    """The walk to its end; the number of rounds."""
    rounds = 0
    while asks := walk.asks():
        rounds += 1
        for partition, ask in asks.items():
            if isinstance(ask, AskPage):
                walk.told_page(partition, shelves[partition].page(ask, is_back=is_back))
            else:
                walk.told_ties(partition, shelves[partition].ties(ask.group, is_back=is_back))
        walk.settle()
        assert rounds < 500
    return rounds


@pytest.mark.parametrize("seed", range(60))
def test_a_page_is_the_true_one(seed: int) -> None:
    rng = random.Random(seed)
    scores, times = rng.choice([[1], [1, 2], range(50)]), rng.choice([1, 4, 500])
    rows = [Row(UserId(f"ü{n}"), rng.choice(scores), LogMs(rng.randrange(times))) for n in range(rng.randint(0, 80))]
    partitions = [Partition(p) for p in range(rng.randint(1, 6))]
    shelves = {
        p: Shelf(rows[p :: len(partitions)], scan=rng.choice([0, 3, 100]), chunk=rng.randint(1, 9)) for p in partitions
    }
    ordered = sorted(rows, key=key_of)
    is_back, limit = rng.random() < 0.5, rng.randint(1, 20)
    n = rng.randrange(len(ordered) + 1)
    start = None if n == len(ordered) else Mark(ordered[n].score, ordered[n].scored_at, ordered[n].user_id)
    expected = ordered[::-1] if is_back else ordered
    if start is not None:
        expected = ordered[:n][::-1] if is_back else ordered[n + 1 :]
    walk = Walk(partitions, start, limit=limit, is_back=is_back)
    run(walk, shelves, is_back=is_back)
    assert walk.rows == expected[:limit]
    assert walk.is_end == (len(expected) <= limit)


def test_a_page_that_lies_in_one_partition_takes_few_rounds() -> None:
    rows = [Row(UserId(f"u{n:03}"), 1_000 - n, LogMs(n)) for n in range(200)]
    low = [Row(UserId(f"v{n}"), 1, LogMs(n)) for n in range(63)]
    shelves = {Partition(p): Shelf([low[p]], scan=9, chunk=9) for p in range(63)}
    shelves[Partition(63)] = Shelf(rows, scan=9, chunk=9)
    walk = Walk(list(shelves), None, limit=100, is_back=False)
    assert run(walk, shelves, is_back=False) <= 6
    assert walk.rows == rows[:100]


def test_the_place_above_a_score_is_before_everybody_with_it() -> None:
    assert above_all_of(7).key < key_of(Row(UserId("a"), 7, LogMs(0)))
    assert above_all_of(7).key > key_of(Row(UserId("a"), 8, LogMs(10**15)))
