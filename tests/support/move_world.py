"""The servers of a move as values: three shards' Redis and the map, with the rules that the function library and the
map store have. Each rule can be left out, to see that a history then goes wrong."""

import copy
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from contracts.ids import Epoch, LogMs, Offset, Partition, ShardId
from contracts.moves import MoveLimits, StoredMap
from contracts.progress import Progress, State
from contracts.shard_map import Move, Ownership, ShardEntry, ShardMap
from shard_worker.move_steps import Event, Order
from shard_worker.replies import Absent, Ahead, Applied, Claimed, Fenced, InState, Leftover, Paused, Seek

P: Final = Partition(0)
SHARDS: Final = (ShardId("s1"), ShardId("s2"), ShardId("s3"))
SAVES_KEPT: Final = 8
RULES: Final = frozenset({
    "fence refuses newer", "fence looks at since", "read wants the token", "wipe refuses newer",
    "wipe refuses what is owned", "wipe empties", "write wants the token", "write counts", "compare wants the token",
    "own wants the token", "own counts", "forget refuses newer", "claim looks at since", "apply looks at the fence",
    "apply looks at the writer", "switch compares",
})  # fmt: skip
"""What the servers check. The mover's own rules are in `move_steps`."""

Row = tuple[str, int]


class World(Protocol):
    """What a history does with the shards' Redis: as the function library does it, one call each."""

    async def progress(self, shard: ShardId) -> Progress | None: ...
    async def rows(self, shard: ShardId) -> dict[str, int]: ...
    async def fence(self, order: Order, token: str) -> Event: ...
    async def read(self, shard: ShardId, token: str, *, rank: int) -> Row | Event: ...
    async def wipe(self, shard: ShardId, epoch: Epoch, *, token: str, state: State) -> Event: ...
    async def write(self, shard: ShardId, row: Row, *, token: str, chunks: int, state: State) -> Event: ...
    async def compare(self, order: Order, token: str, *, read: Sequence[Row]) -> tuple[Event, Offset]: ...
    async def own(self, shard: ShardId, epoch: Epoch, *, token: str, chunks: int, state: State,
                  offset: Offset) -> Event: ...  # fmt: skip
    async def forget(self, shard: ShardId, epoch: Epoch) -> bool: ...
    async def claim(self, shard: ShardId, owner: Ownership, *, writer: str) -> object: ...
    async def apply(self, shard: ShardId, epoch: Epoch, *, writer: str, offset: Offset,
                    users: Sequence[str]) -> object: ...  # fmt: skip
    async def go_back(self, shard: ShardId, saves: int) -> None: ...
    async def lose(self, shard: ShardId) -> None: ...
    async def alter(self, shard: ShardId) -> None: ...


@dataclass(slots=True)
class FakeRedis:
    """One shard's Redis, as far as one partition goes."""

    progress: Progress | None = None
    rows: Counter[str] = field(default_factory=Counter)


def progress_of(shard: ShardId, state: State, *, epoch: Epoch) -> Progress:
    return Progress(shard, state, epoch, False, "", "", 0, Offset(0), LogMs(0), None, 0, 0)


class FakeWorld:
    """`World` without a server."""

    def __init__(self, left_out: Collection[str] = ()) -> None:
        assert set(left_out) <= RULES
        self._rules = RULES - set(left_out)
        self._redis = {shard: FakeRedis() for shard in SHARDS}
        self._redis[SHARDS[0]].progress = progress_of(SHARDS[0], State.OWNED, epoch=Epoch(1))
        self._saves = {shard: [copy.deepcopy(redis)] for shard, redis in self._redis.items()}

    def _wrong(self, rule: str, is_wrong: bool) -> bool:
        """Whether the rule forbids it."""
        return is_wrong and rule in self._rules

    def _save(self, shard: ShardId) -> None:
        self._saves[shard] = [*self._saves[shard], copy.deepcopy(self._redis[shard])][-SAVES_KEPT:]

    def _change(self, shard: ShardId, **changes: object) -> None:
        progress = self._redis[shard].progress
        assert progress is not None
        self._redis[shard].progress = replace(progress, **changes)  # type: ignore[arg-type]
        self._save(shard)

    async def progress(self, shard: ShardId) -> Progress | None:
        return self._redis[shard].progress

    async def rows(self, shard: ShardId) -> dict[str, int]:
        return dict(self._redis[shard].rows)

    async def fence(self, order: Order, token: str) -> Event:
        progress = self._redis[order.source].progress
        if progress is None:
            return Event.FOUND_NOTHING
        if self._wrong("fence refuses newer", progress.epoch > order.epoch):
            return Event.NEWER
        if progress.state is not State.OWNED or self._wrong("fence looks at since", progress.epoch < order.since):
            return Event.FOUND_NOTHING
        self._change(order.source, epoch=order.epoch, fenced=True, token=token)
        return Event.DONE

    def _is_fenced_by(self, shard: ShardId, token: str) -> bool:
        progress = self._redis[shard].progress
        return progress is not None and progress.fenced and progress.token == token

    async def read(self, shard: ShardId, token: str, *, rank: int) -> Row | Event:
        if self._wrong("read wants the token", not self._is_fenced_by(shard, token)):
            return Event.REFUSED
        rows = sorted(self._redis[shard].rows.items())
        return rows[rank] if rank < len(rows) else Event.EXHAUSTED

    async def wipe(self, shard: ShardId, epoch: Epoch, *, token: str, state: State) -> Event:
        progress = self._redis[shard].progress
        if progress is not None:
            owned = progress.state is State.OWNED and progress.epoch == epoch
            if self._wrong("wipe refuses newer", progress.epoch > epoch):
                return Event.REFUSED
            if self._wrong("wipe refuses what is owned", owned):
                return Event.REFUSED
        if "wipe empties" in self._rules:
            self._redis[shard].rows = Counter()
        self._redis[shard].progress = replace(progress_of(shard, state, epoch=epoch), token=token)
        self._save(shard)
        return Event.DONE

    def _is_maker(self, shard: ShardId, state: State, *, token: str, chunks: int, step: str) -> bool:
        progress = self._redis[shard].progress
        if progress is None or progress.state is not state:
            return False
        if self._wrong(f"{step} wants the token", progress.token != token):
            return False
        return not self._wrong(f"{step} counts", progress.chunks != chunks)

    async def write(self, shard: ShardId, row: Row, *, token: str, chunks: int, state: State) -> Event:
        if not self._is_maker(shard, state, token=token, chunks=chunks, step="write"):
            return Event.REFUSED
        self._redis[shard].rows[row[0]] = row[1]
        progress = self._redis[shard].progress
        assert progress is not None
        self._change(shard, chunks=progress.chunks + 1)
        return Event.DONE

    async def compare(self, order: Order, token: str, *, read: Sequence[Row]) -> tuple[Event, Offset]:
        """What was read against what is in the target; the position is the source's as it is now."""
        source, target = self._redis[order.source], self._redis[order.target]
        if self._wrong("compare wants the token", not self._is_fenced_by(order.source, token)):
            return Event.REFUSED, Offset(0)
        if source.progress is None or target.progress is None or target.progress.state is not State.COPYING:
            return Event.REFUSED, Offset(0)
        is_same = dict(read) == target.rows and len(read) == len(source.rows)
        return Event.DONE if is_same else Event.DIFFERS, source.progress.next_offset

    async def own(self, shard: ShardId, epoch: Epoch, *, token: str, chunks: int, state: State,
                  offset: Offset) -> Event:  # fmt: skip
        if not self._is_maker(shard, state, token=token, chunks=chunks, step="own"):
            return Event.REFUSED
        self._change(shard, state=State.OWNED, epoch=epoch, token="", chunks=0, next_offset=offset)
        return Event.DONE

    async def forget(self, shard: ShardId, epoch: Epoch) -> bool:
        progress = self._redis[shard].progress
        if progress is not None and self._wrong("forget refuses newer", progress.epoch > epoch):
            return False
        self._redis[shard] = FakeRedis()
        self._save(shard)
        return True

    async def claim(self, shard: ShardId, owner: Ownership, *, writer: str) -> object:
        progress = self._redis[shard].progress
        if progress is None:
            return Absent()
        if progress.epoch > owner.epoch:
            return Ahead(progress.epoch)
        if progress.state is not State.OWNED:
            return InState(progress.state)
        if self._wrong("claim looks at since", progress.epoch < owner.since):
            return Leftover(progress.epoch)
        if progress.epoch == owner.epoch and progress.fenced:
            return Paused()
        self._change(shard, epoch=owner.epoch, writer=writer, fenced=False, token="")
        return Claimed(progress.next_offset, progress.log_ms, None)

    async def apply(self, shard: ShardId, epoch: Epoch, *, writer: str, offset: Offset,
                    users: Sequence[str]) -> object:  # fmt: skip
        progress = self._redis[shard].progress
        if progress is None:
            return Fenced("", Epoch(0), False, "")
        is_mine = progress.state is State.OWNED and progress.epoch == epoch
        is_fenced = self._wrong("apply looks at the fence", progress.fenced)
        if not is_mine or is_fenced or self._wrong("apply looks at the writer", progress.writer != writer):
            return Fenced(progress.state, progress.epoch, progress.fenced, progress.writer)
        if progress.next_offset != offset:
            return Seek(progress.next_offset)
        count(users, self._redis[shard].rows)
        self._change(shard, next_offset=Offset(offset + len(users)))
        return Applied({}, ())

    async def go_back(self, shard: ShardId, saves: int) -> None:
        kept = self._saves[shard][: max(1, len(self._saves[shard]) - saves)]
        self._saves[shard], self._redis[shard] = kept, copy.deepcopy(kept[-1])

    async def lose(self, shard: ShardId) -> None:
        self._redis[shard], self._saves[shard] = FakeRedis(), [FakeRedis()]

    async def alter(self, shard: ShardId) -> None:
        rows = self._redis[shard].rows
        if rows:
            rows[min(rows)] += 1
            self._save(shard)


def count(users: Sequence[str], rows: Counter[str]) -> None:
    """What a log says: a small letter is an action, a capital erases."""
    for user in users:
        if user.isupper():
            rows.pop(user.lower(), None)
        else:
            rows[user] += 1


class FakeMap:
    """The map store: compare-and-set, epochs drawn in one place. `stored` is the truth; workers know older ones."""

    def __init__(self, left_out: Collection[str] = ()) -> None:
        self._is_strict = "switch compares" not in left_out
        entries = tuple(ShardEntry(shard, "", 100) for shard in SHARDS)
        self.stored = StoredMap(1, ShardMap(1, (Ownership(SHARDS[0], Epoch(1)),)), entries)

    @property
    def owner(self) -> Ownership:
        assert self.stored.map is not None
        return self.stored.map.owners[P]

    def _set(self, owner: Ownership) -> None:
        version = self.stored.version + 1
        self.stored = replace(self.stored, version=version, map=ShardMap(version, (owner,)))

    def pause(self, is_paused: bool) -> None:
        limits = MoveLimits(is_paused=is_paused)
        self.stored = replace(self.stored, version=self.stored.version + 1, limits=limits)

    def intend(self, target: ShardId) -> None:
        if self.owner.move is None and self.owner.shard != target:
            self._set(replace(self.owner, move=Move(Epoch(self.owner.newest_epoch + 1), target)))

    def abort(self) -> None:
        if (move := self.owner.move) is not None:
            forget = (*(shard for shard in self.owner.forget if shard != move.target), move.target)
            self._set(replace(self.owner, epoch=Epoch(move.epoch + 1), move=None, forget=forget))

    def switch(self, order: Order) -> bool:
        is_intended = self.owner.move == Move(order.epoch, order.target)
        if self._is_strict and not is_intended:
            return False
        others = tuple(shard for shard in self.owner.forget if shard != order.target)
        self._set(Ownership(order.target, order.epoch, order.epoch, None, (*others, self.owner.shard)))
        return True

    def forgotten(self, shard: ShardId, epoch: Epoch) -> None:
        if self.owner.epoch == epoch:
            self._set(replace(self.owner, forget=tuple(other for other in self.owner.forget if other != shard)))
