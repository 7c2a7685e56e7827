"""What a partition's keys are read in during a move: an inventory of them, pages of bounded size, and what both sides
must agree on when it is compared. Pure; `redis_move_sides` reads them."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.ids import LogMs, Offset
from contracts.progress import LastRecord
from shard_worker.replies import BadReply
from shard_worker.restore_steps import Start

ROWS_MAX: Final = 2_000
"""Of one page: 2 to 4 ms of a server's time on either side. Nobody else may have to wait for 20 ms, even where a core
is several times slower. `ROWS_MAX` of 70_move.lua."""
PAGES_IN_FLIGHT: Final = 4
"""Asked for in one round trip, while as many are written: neither server waits for the other, and a worker holds some
2 MB of each move."""
SCORES: Final = "scores:"
SCORED_AT: Final = "scored_at:"


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
    is_rank: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one key, as the source packed them."""

    kind: str
    key: str
    rows: int
    """Those of the hash beside a board are counted too."""
    packed: bytes


@dataclass(slots=True)
class Walk:
    """Which pages are still to be read, so that every row of every key is seen. The hash beside a board comes with it:
    only a hash that holds more than its board names is read by itself."""

    inventory: Inventory
    _open: deque[Request] = field(default_factory=deque)
    _companions: Counter[str] = field(default_factory=Counter)
    _is_second: bool = False

    def __post_init__(self) -> None:
        keys = self.inventory.keys
        for key, facts in sorted(keys.items()):
            if facts.kind == "zset":
                ranks = range(0, facts.size, ROWS_MAX)
                self._open += [Request(facts.kind, key, str(rank), is_rank=True) for rank in ranks]
            elif not (key.startswith(SCORED_AT) and board_of(key) in keys):
                self._open.append(Request(facts.kind, key))

    def take(self) -> list[Request]:
        """What to ask for next in one round trip; nothing when all was seen."""
        if not self._open and not self._is_second:
            self._is_second = True
            self._open += [Request("hash", key) for key in self.partly_seen]
        return [self._open.popleft() for _ in range(min(len(self._open), PAGES_IN_FLIGHT))]

    def seen(self, request: Request, *, cursor: str, companions: int) -> None:
        """A page came; `companions` of its board's members had something in the hash beside it."""
        if request.is_rank:
            self._companions[request.key] += companions
        elif cursor != "0":
            self._open.append(Request(request.kind, request.key, cursor))

    @property
    def partly_seen(self) -> list[str]:
        """Hashes beside boards that hold users whom the board does not."""
        keys = self.inventory.keys
        beside = [key for key in keys if key.startswith(SCORED_AT) and board_of(key) in keys]
        return sorted(key for key in beside if self._companions[board_of(key)] != keys[key].size)


def board_of(key: str) -> str:
    """The board that a hash of times belongs to."""
    return SCORES + key.removeprefix(SCORED_AT)


def times_of(key: str) -> str:
    """The hash of times beside a board."""
    return SCORED_AT + key.removeprefix(SCORES)


@dataclass(slots=True)
class Digest:
    """Count, sum and hash of everything on one side. Equal digests: equal keys, whatever order they are stored in."""

    ranks: dict[tuple[str, str], tuple[int, int, bytes, bytes]] = field(default_factory=dict)
    """Of pages by rank: rows, companions, sum, hash."""
    sums: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Of other keys: rows and two sums of hashes."""

    def add(self, request: Request, *, rows: int, companions: int, sums: tuple[bytes, bytes]) -> None:
        """One page more."""
        if request.is_rank:
            self.ranks[request.key, request.cursor] = (rows, companions, *sums)
            return
        before = self.sums.get(request.key, (0, 0, 0))
        self.sums[request.key] = (before[0] + rows, before[1] + int(sums[0]), before[2] + int(sums[1]))

    def miscounted(self, inventory: Inventory) -> list[str]:
        """Keys of which SCAN returned a row twice: their sums say nothing."""
        return sorted(key for key, sums in self.sums.items() if sums[0] != inventory.keys[key].size)

    def is_whole(self, inventory: Inventory) -> bool:
        """Whether as many rows were looked at as the keys have."""
        rows: Counter[str] = Counter({key: sums[0] for key, sums in self.sums.items()})
        for (key, _), page in self.ranks.items():
            rows[key] += page[0]
            if key.startswith(SCORES) and times_of(key) not in self.sums:
                rows[times_of(key)] += page[1]
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
