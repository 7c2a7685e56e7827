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
    Page,
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
    """Scans are answered with pages of any size."""
    rng, keys = random.Random(seed), dict[str, KeyFacts]()
    for n in range(rng.randint(0, 5)):
        size = rng.choice([1, ROWS_MAX - 1, ROWS_MAX, ROWS_MAX + 1, 3 * ROWS_MAX])
        keys[f"scores:{n}"] = KeyFacts("zset", size)
        keys[f"scored_at:{n}"] = KeyFacts("hash", rng.randint(1, size))
    for name, kind in (("seen:1", "set"), ("kept", "zset"), ("caps:1", "hash")):
        keys[name] = KeyFacts(kind, rng.choice([1, 5 * ROWS_MAX]))
    walk, seen = Walk(Inventory(START, 0, keys)), dict[str, int]()
    while requests := walk.take():
        assert len(requests) <= PAGES_IN_FLIGHT
        for request in requests:
            left = keys[request.key].size - seen.get(request.key, 0)
            if request.is_rank:
                assert int(request.cursor) % ROWS_MAX == 0
                rows = min(ROWS_MAX, keys[request.key].size - int(request.cursor))
                walk.seen(request, cursor="0")
            else:
                rows = min(left, rng.randint(0, ROWS_MAX))
                walk.seen(request, cursor="0" if rows == left else "77")
            seen[request.key] = seen.get(request.key, 0) + rows
    assert seen == {name: facts.size for name, facts in keys.items()}


def test_scans_and_ranks_travel_together() -> None:
    """A scan gives its next cursor only with its answer: alone it would take a round trip for each page."""
    walk = Walk(inventory(scores__a=("zset", 9 * ROWS_MAX), scored_at__a=("hash", 9 * ROWS_MAX), seen__1=("set", 9)))
    requests = walk.take()
    assert [request.key for request in requests] == ["scored_at:a", "seen:1", "scores:a", "scores:a"]
    walk.seen(requests[0], cursor="5")
    assert [request.cursor for request in walk.take()] == ["5", *(str(n * ROWS_MAX) for n in (2, 3, 4))]


def test_pages_are_read_and_written_by_the_command_of_their_kind() -> None:
    prefix = b"lb:{3}:"
    last = str(2 * ROWS_MAX - 1).encode()
    rows = str(ROWS_MAX).encode()
    assert Request("zset", "kept", str(ROWS_MAX)).command(prefix) == (
        b"ZRANGE", b"lb:{3}:kept", rows, last, b"WITHSCORES")  # fmt: skip
    assert Request("hash", "names", "7").command(prefix) == (b"HSCAN", b"lb:{3}:names", b"7", b"COUNT", rows)
    assert Request("set", "seen:1").command(prefix) == (b"SSCAN", b"lb:{3}:seen:1", b"0", b"COUNT", rows)
    zset, cursor = Request("zset", "kept").page([b"ann", b"1", b"bob", b"2"])
    assert (zset.rows, cursor, zset.command(prefix)) == (2, "0", (b"ZADD", b"lb:{3}:kept", b"1", b"ann", b"2", b"bob"))
    field, cursor = Request("hash", "names").page([b"9", [b"ann", b"Ann"]])
    assert (field.rows, cursor, field.command(prefix)) == (1, "9", (b"HSET", b"lb:{3}:names", b"ann", b"Ann"))
    members, cursor = Request("set", "seen:1").page([b"0", [b"x", b"y", b"z"]])
    assert (members.rows, cursor, members.command(prefix)) == (3, "0", (b"SADD", b"lb:{3}:seen:1", b"x", b"y", b"z"))


def test_hash_of_a_page_is_that_of_its_rows() -> None:
    """Of a ZSET in their order; of other keys in any order."""
    rows = [b"ann", b"1", b"bob", b"2"]
    turned = [*rows[2:], *rows[:2]]
    assert Page("zset", "a", rows).digest == Page("zset", "a", [bytes(bytearray(word)) for word in rows]).digest
    assert Page("zset", "a", rows).digest != Page("zset", "a", turned).digest
    assert Page("hash", "a", rows).digest == Page("hash", "a", turned).digest
    assert Page("set", "a", rows).digest == Page("set", "a", rows[::-1]).digest
    assert Page("set", "a", rows).digest != Page("set", "a", [b"ann", b"1", b"bob", b"3"]).digest


@pytest.mark.parametrize("kind", ["zset", "hash"])
def test_values_at_other_rows_make_another_hash(kind: str) -> None:
    """For many rows, since a hash that can be summed badly finds most of them."""
    for n in range(200):
        ann, bob = b"ann%d" % n, b"bob%d" % n
        page = Page(kind, "a", [ann, b"1", bob, b"2"])
        assert page.digest != Page(kind, "a", [ann, b"2", bob, b"1"]).digest
        assert page.digest != Page(kind, "a", [ann + b"1", b"", bob, b"2"]).digest


def digests() -> tuple[Digest, Digest]:
    pair = (Digest(), Digest())
    for digest in pair:
        digest.add(Request("zset", "scores:a"), Page("zset", "scores:a", [b"ann", b"1", b"bob", b"2"]))
        digest.add(Request("set", "seen:1"), Page("set", "seen:1", [b"x", b"y"]))
        digest.add(Request("set", "seen:1", "33"), Page("set", "seen:1", [b"z"]))
    return pair


def test_sums_of_pages_add_up_and_rows_that_came_twice_are_noticed() -> None:
    digest, _ = digests()
    assert digest.sums["seen:1"] == (3, Page("set", "seen:1", [b"z", b"y", b"x"]).digest)
    assert digest.miscounted(inventory(seen__1=("set", 3))) == []
    assert digest.miscounted(inventory(seen__1=("set", 2))) == ["seen:1"]


def test_only_equal_sides_have_no_difference() -> None:
    keys = inventory(scores__a=("zset", 2), seen__1=("set", 3))
    source, target = digests()
    assert difference((keys, source), (replace(keys, chunks=7), target)) is None
    assert difference((keys, source), (inventory(scores__a=("zset", 2)), target)) is not None
    assert difference((keys, source), (inventory(scores__a=("zset", 3), seen__1=("set", 3)), target)) is not None
    (rows, hashed), (count, total) = source.ranks["scores:a", "0"], source.sums["seen:1"]
    others = (
        Digest({("scores:a", "0"): (rows - 1, hashed)}, source.sums),
        Digest({("scores:a", "0"): (rows, hashed + 1)}, source.sums),
        Digest({}, source.sums),
        Digest({**source.ranks, ("scores:b", "0"): (0, 0)}, source.sums),
        Digest(source.ranks, {"seen:1": (count, total + 1)}),
        Digest(source.ranks, {}),
    )
    for other in others:
        assert difference((keys, source), (keys, other)) is not None, other


def test_rows_that_were_never_read_are_a_difference() -> None:
    """Both sides agree on what was compared, which is less than there is."""
    keys = inventory(scores__a=("zset", 2), seen__1=("set", 3))
    source, target = digests()
    assert difference((keys, source), (keys, target)) is None
    for more in (
        inventory(scores__a=("zset", 3), seen__1=("set", 3)),
        inventory(scores__a=("zset", 2), seen__1=("set", 4)),
        inventory(scores__a=("zset", 2), seen__1=("set", 3), names=("hash", 1)),
    ):
        assert difference((more, source), (more, target)) == "not every row was read"
