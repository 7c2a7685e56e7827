"""Every row of every key is read, whatever the keys' kinds and sizes; digests are equal only if all rows are."""

import random
from dataclasses import replace
from typing import Any

import pytest

from contracts.ids import LogMs, Offset
from contracts.progress import LastRecord
from shard_worker.move_pages import (
    PAGES_IN_FLIGHT,
    ROWS_MAX,
    Digest,
    Inventory,
    KeyFacts,
    Request,
    Walk,
    difference,
    parse_inventory,
)
from shard_worker.replies import BadReply
from shard_worker.restore_steps import Start

START = Start(Offset(9), LogMs(7), LastRecord(8, 7, 6), 5, 4)


def inventory(**keys: tuple[str, int]) -> Inventory:
    return Inventory(START, 0, {name.replace("__", ":"): KeyFacts(*facts) for name, facts in keys.items()})


def test_inventory_is_read() -> None:
    words = [b"9", b"7", b"8:7:6", b"5", b"4", b"3", b"scores:all_time", b"zset", 12, b"names", b"hash", 1]
    found = parse_inventory(words)
    assert (found.start, found.chunks, found.rows, found.users) == (START, 3, 13, 12)
    assert found.keys["names"] == KeyFacts("hash", 1)
    assert parse_inventory([b"0", b"0", b"", b"0", b"0", b"0"]) == Inventory(
        Start(Offset(0), LogMs(0), None, 0, 0), 0, {}
    )


@pytest.mark.parametrize("words", [[], [b"9"], [b"9", b"7", b"8:7", b"5", b"4", b"3"],
                                   [b"9", b"7", b"", b"5", b"4", b"3", b"names"]])  # fmt: skip
def test_inventory_of_another_library_is_refused(words: list[Any]) -> None:
    with pytest.raises(BadReply):
        parse_inventory(words)


@pytest.mark.parametrize("seed", range(30))
def test_every_row_of_random_keys_is_read_once(seed: int) -> None:
    """Scans are answered with pages of any size; hashes beside boards come with them, and by themselves only if they
    hold more."""
    rng = random.Random(seed)
    keys, beside = dict[str, KeyFacts](), dict[str, int]()
    for n in range(rng.randint(0, 5)):
        size = rng.choice([1, ROWS_MAX - 1, ROWS_MAX, ROWS_MAX + 1, 3 * ROWS_MAX])
        keys[f"scores:{n}"] = KeyFacts("zset", size)
        if rng.random() < 0.8:
            beside[f"scored_at:{n}"] = rng.randint(0, size)
            keys[f"scored_at:{n}"] = KeyFacts("hash", beside[f"scored_at:{n}"] + rng.choice([0, 0, 3]))
    for name, kind in (("seen:1", "set"), ("kept", "zset"), ("caps:1", "hash"), ("scored_at:lost", "hash")):
        keys[name] = KeyFacts(kind, rng.choice([1, 5_000]))
    walk, seen = Walk(Inventory(START, 0, keys)), dict[str, int]()
    while requests := walk.take():
        assert len(requests) <= PAGES_IN_FLIGHT
        for request in requests:
            left = keys[request.key].size - seen.get(request.key, 0)
            if request.is_rank:
                assert int(request.cursor) % ROWS_MAX == 0
                rows = min(ROWS_MAX, keys[request.key].size - int(request.cursor))
                last = int(request.cursor) + rows == keys[request.key].size
                companions = beside.get(request.key.replace("scores", "scored_at"), 0) if last else 0
                walk.seen(request, cursor="0", companions=companions)
            else:
                rows = min(left, rng.randint(0, 3_000))
                walk.seen(request, cursor="0" if rows == left else "77", companions=0)
            seen[request.key] = seen.get(request.key, 0) + rows
    whole = {name for name, size in beside.items() if keys[name].size == size}
    assert seen == {name: facts.size for name, facts in keys.items() if name not in whole}


def digests() -> tuple[Digest, Digest]:
    pair = (Digest(), Digest())
    for digest in pair:
        digest.add(Request("zset", "scores:a", "0", is_rank=True), rows=5, companions=4, sums=(b"9", b"ff"))
        digest.add(Request("set", "seen:1"), rows=2, companions=0, sums=(b"7", b"8"))
        digest.add(Request("set", "seen:1", "33"), rows=1, companions=0, sums=(b"1", b"1"))
    return pair


def test_sums_of_pages_add_up_and_rows_that_came_twice_are_noticed() -> None:
    digest, _ = digests()
    assert digest.sums["seen:1"] == (3, 8, 9)
    assert digest.miscounted(inventory(seen__1=("set", 3))) == []
    assert digest.miscounted(inventory(seen__1=("set", 2))) == ["seen:1"]


def test_only_equal_sides_have_no_difference() -> None:
    keys = inventory(scores__a=("zset", 5), scored_at__a=("hash", 4), seen__1=("set", 3))
    source, target = digests()
    assert difference((keys, source), (replace(keys, chunks=7), target)) is None
    assert difference((keys, source), (inventory(scores__a=("zset", 5)), target)) is not None
    assert difference((keys, source), (inventory(scores__a=("zset", 6), seen__1=("set", 3)), target)) is not None
    others = (
        Digest({("scores:a", "0"): (5, 3, b"9", b"ff")}, source.sums),
        Digest({("scores:a", "0"): (5, 4, b"9", b"fe")}, source.sums),
        Digest({}, source.sums),
        Digest({**source.ranks, ("scores:b", "0"): (0, 0, b"", b"")}, source.sums),
        Digest(source.ranks, {"seen:1": (3, 8, 8)}),
        Digest(source.ranks, {}),
    )
    for other in others:
        assert difference((keys, source), (keys, other)) is not None, other


def test_rows_that_were_never_read_are_a_difference() -> None:
    """Both sides agree on what was compared, which is less than there is."""
    keys = inventory(scores__a=("zset", 5), scored_at__a=("hash", 4), seen__1=("set", 3))
    source, target = digests()
    assert difference((keys, source), (keys, target)) is None
    for more in (
        inventory(scores__a=("zset", 6), scored_at__a=("hash", 4), seen__1=("set", 3)),
        inventory(scores__a=("zset", 5), scored_at__a=("hash", 5), seen__1=("set", 3)),
        inventory(scores__a=("zset", 5), scored_at__a=("hash", 4), seen__1=("set", 3), names=("hash", 1)),
    ):
        assert difference((more, source), (more, target)) == "not every row was read"
    for digest in (source, target):
        digest.add(Request("hash", "scored_at:a"), rows=4, companions=0, sums=(b"1", b"1"))
    assert difference((keys, source), (keys, target)) is None
