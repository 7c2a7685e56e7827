"""What a partition's keys are read in during a move: an inventory of them, pages of bounded size, and what both sides
must agree on when it is compared. Pure; `redis_move_sides` reads them."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from contracts.ids import LogMs, Offset
from contracts.progress import LastRecord
from shard_worker.replies import BadReply
from shard_worker.restore_steps import Start

Words = tuple[bytes, ...]
"""A command."""
ROWS_MAX: Final = 5000
"""Of one page: some 1 ms of the source's time and 3 ms of the target's. Nobody else may wait for 20 ms, even
where a core is several times slower."""
PAGES_IN_FLIGHT: Final = 4
"""Asked for in one round trip, while as many are written: neither server waits for the other, and a worker holds some
5 MB of each move."""
SCORES: Final = "scores:"
_encode: Final = msgspec.msgpack.Encoder().encode
_WRITES: Final = {"zset": b"ZADD", "hash": b"HSET", "set": b"SADD"}


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """One key of a partition."""

    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """All keys of a partition, by name without prefix, and where it stands in the log."""

    start: Start
    chunks: int
    keys: Mapping[str, KeyFacts]

    @property
    def rows(self) -> int:
        """Rows of all keys."""
        return sum(facts.size for facts in self.keys.values())

    @property
    def users(self) -> int:
        """Users of the largest board."""
        return max((facts.size for key, facts in self.keys.items() if key.startswith(SCORES)), default=0)


def parse_inventory(fields: Sequence[Any]) -> Inventory:
    """Read what follows the first word of an inventory. Raises BadReply."""
    try:
        next_offset, log_ms, last, points, counted, chunks, *keys = fields
        mark = LastRecord.decode(last.decode()) if last else None
        start = Start(Offset(int(next_offset)), LogMs(int(log_ms)), mark, int(points), int(counted))
        facts = {
            name.decode(): KeyFacts(kind.decode(), int(size))
            for name, kind, size in zip(keys[::3], keys[1::3], keys[2::3], strict=True)
        }
    except (ValueError, AttributeError) as error:
        raise BadReply(f"an inventory of {fields!r}") from error
    return Inventory(start, int(chunks), facts)


@dataclass(frozen=True, slots=True)
class Request:
    """A page to be read: of a ZSET from a rank on, of other keys from a cursor of SCAN on."""

    kind: str
    key: str
    cursor: str = "0"

    @property
    def is_rank(self) -> bool:
        """Whether the page is the same on every server."""
        return self.kind == "zset"

    def command(self, prefix: bytes) -> Words:
        """What reads it."""
        key, first = prefix + self.key.encode(), self.cursor.encode()
        if self.is_rank:
            return (b"ZRANGE", key, first, b"%d" % (int(first) + ROWS_MAX - 1), b"WITHSCORES")
        return (b"HSCAN" if self.kind == "hash" else b"SSCAN", key, first, b"COUNT", b"%d" % ROWS_MAX)

    def page(self, reply: Any) -> tuple["Page", str]:
        """What the server answered, and the cursor of the key's next page: "0" if there is none, or it needs none."""
        cursor, words = (b"0", reply) if self.is_rank else reply
        return Page(self.kind, self.key, words), cursor.decode()


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one key."""

    kind: str
    key: str
    words: list[bytes]
    """Member and score, field and value, or member; one after the other."""

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.words) if self.kind == "set" else len(self.words) // 2

    @property
    def digest(self) -> int:
        """Hash of the rows: in their order of a ZSET, in any order of other keys. Python's own hash of bytes is SipHash
        with a key that this process has drawn: 64 bits, and a third of what a digest of each row would take. That of a
        tuple is no hash to be summed: rows that swapped their values would have the same sum. A zero byte parts field
        and value, so that nothing goes from one to the other unseen."""
        words = self.words
        if self.kind == "zset":
            return hash(_encode(words))
        return sum(
            map(hash, words if self.kind == "set" else map(b"\0".join, zip(words[::2], words[1::2], strict=True)))
        )

    def command(self, prefix: bytes) -> Words:
        """What writes it."""
        words = self.words
        if self.kind == "zset":  # scores come first
            words = words.copy()
            words[::2], words[1::2] = self.words[1::2], self.words[::2]
        return (_WRITES[self.kind], prefix + self.key.encode(), *words)


@dataclass(slots=True)
class Walk:
    """Which pages are still to be read, so that every row of every key is seen."""

    inventory: Inventory
    _ranks: deque[Request] = field(default_factory=deque)
    _scans: deque[Request] = field(default_factory=deque)

    def __post_init__(self) -> None:
        for key, facts in sorted(self.inventory.keys.items()):
            if facts.kind == "zset":
                self._ranks += [Request(facts.kind, key, str(rank)) for rank in range(0, facts.size, ROWS_MAX)]
            else:
                self._scans.append(Request(facts.kind, key))

    def take(self) -> list[Request]:
        """What to ask for next in one round trip; nothing when all was seen. A scan gives its next cursor only with its
        answer, so that scans go first and ranks fill up."""
        scans = [self._scans.popleft() for _ in range(min(len(self._scans), PAGES_IN_FLIGHT))]
        return scans + [self._ranks.popleft() for _ in range(min(len(self._ranks), PAGES_IN_FLIGHT - len(scans)))]

    def seen(self, request: Request, *, cursor: str) -> None:
        """A page came, with the cursor of the next one."""
        if cursor != "0":
            self._scans.append(Request(request.kind, request.key, cursor))


@dataclass(slots=True)
class Digest:
    """Count and hash of everything on one side. Equal digests: equal keys, whatever order they are stored in. Only what
    one process made is comparable."""

    ranks: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Of pages by rank: rows and hash."""
    sums: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of other keys: rows and sum of hashes."""

    def add(self, request: Request, page: Page) -> None:
        """One page more."""
        if request.is_rank:
            self.ranks[request.key, request.cursor] = (page.rows, page.digest)
            return
        rows, sums = self.sums.get(request.key, (0, 0))
        self.sums[request.key] = (rows + page.rows, sums + page.digest)

    def miscounted(self, inventory: Inventory) -> list[str]:
        """Keys of which SCAN returned a row twice: their sums say nothing."""
        return sorted(key for key, sums in self.sums.items() if sums[0] != inventory.keys[key].size)

    def is_whole(self, inventory: Inventory) -> bool:
        """Whether as many rows were looked at as the keys have."""
        rows: Counter[str] = Counter({key: sums[0] for key, sums in self.sums.items()})
        for (key, _), page in self.ranks.items():
            rows[key] += page[0]
        return +rows == Counter({key: facts.size for key, facts in inventory.keys.items()})


def difference(source: tuple[Inventory, Digest], target: tuple[Inventory, Digest]) -> str | None:
    """Say what differs between the two sides, or None."""
    (source_keys, source_digest), (target_keys, target_digest) = source, target
    for key in sorted({*source_keys.keys, *target_keys.keys}):
        there, here = source_keys.keys.get(key), target_keys.keys.get(key)
        if there != here:
            return f"{key}: {there} in the source, {here} in the target"
    for (key, rank), digest in source_digest.ranks.items():
        if target_digest.ranks.get((key, rank)) != digest:
            return f"{key}: rows from rank {rank} on differ"
    for key, sums in source_digest.sums.items():
        if target_digest.sums.get(key) != sums:
            return f"{key}: rows differ"
    if source_digest != target_digest:
        return "more was compared in the target than in the source"
    return None if source_digest.is_whole(source_keys) else "not every row was read"
