"""A whole shard moved while actions pour in and boards are read, everything real and on the same machine: what is
accepted, how long readers wait, and the longest call that any of the shards' servers carried out meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from archiver.postgres_migrate import upgrade
from bench.gateway_process import bodies
from bench.ground import Ground
from bench.http_paths import BOARD
from bench.move_path import fill_partition
from bench.open_loop import Latencies, Plan, get_request, post_request, run_apart
from bench.results import PER_S, Ask, Part, Way, make_part
from bench.whole import Whole, start_rest, start_workers, whole
from bench.wrk import Requests, rate
from contracts.clock import monotonic_s
from contracts.ids import LogMs, Offset, Partition, ShardId
from contracts.moves import MoveOrder, MovePhase, PlanOrder
from contracts.shard_map import FIRST_EPOCH, Ownership, ShardEntry, ShardMap
from foundation.postgres_connect import connect
from foundation.postgres_map import MapStore
from shard_worker.restore_steps import Start
from shardboard.embedded.ports import free_ports
from shardboard.embedded.postgres import PostgresServer

PARTITIONS: Final = 16
"""Of the whole deployment; all of them are the one shard's that is moved."""
S1, S2 = ShardId("s1"), ShardId("s2")
LOAD: Final = 0.5
"""Of what the deployment accepts when it is sent as fast as it answers."""
READS_PER_S: Final = 200.0
READERS: Final = 8
ACCEPTED_BAR: Final = 0.95
READ_BAR: Final = 2.0
CALL_MS_MAX: Final = 20.0
MOVE_S_MAX: Final = 120.0
WATCHED_FROM_MS: Final = 1
"""Redis notes the longest of all calls that take at least so long."""
BEFORE, DURING, PROMISE = "before the move", "during the move", "promised"
EMPTY: Final = Start(Offset(0), LogMs(0), None, 0, 0)
"""Users who scored before the log began: the log is read from its first record on."""


class NotMoved(Exception):
    """The moves did not come to their end in time."""


@dataclass(slots=True)
class Round:
    """What was found in one round."""

    accepted: dict[str, float] = field(default_factory=dict)
    p99_ms: dict[str, float] = field(default_factory=dict)
    longest_ms: float = 0.0
    took_s: float = 0.0
    pauses_ms: list[int] = field(default_factory=list)


async def run(ground: Ground) -> AsyncIterator[Part]:
    """There and back again, as many rounds as the form has; each round looks before and during its move."""
    async with AsyncExitStack() as ending:
        postgres = PostgresServer(ground.new_folder("postgres"), port=free_ports(1)[0])
        ending.push_async_callback(postgres.stop)
        await postgres.start()
        connection = await connect(postgres.address, name="shardboard bench")
        await upgrade(connection)
        await connection.close()
        environ = {"SHARDBOARD_POSTGRES_URL": postgres.address}
        store = MapStore(postgres.address, name="shardboard bench")
        ending.push_async_callback(store.close)
        found, running = await ending.enter_async_context(
            whole(ground, "live-move", shards=2, partitions=PARTITIONS, environ=environ)
        )
        await _prepare(found, store, users=ground.sizes.users)
        await start_workers(found, running)
        await start_rest(found, running)
        bench = LiveMove(ground, found, store)
        most_per_s = await bench.most_per_s()
        rounds = [await bench.round(most_per_s, target=(S2, S1)[n % 2]) for n in range(ground.sizes.rounds)]
    yield part_of(ground, rounds, most_per_s=most_per_s)


async def _prepare(found: Whole, store: MapStore, *, users: int) -> None:
    """All partitions are the first shard's, and hold so many users together."""
    addresses = found.grounded.shards
    entries = [ShardEntry(ShardId(shard), url, 100) for shard, url in addresses.items()]
    await store.seed(ShardMap(1, (Ownership(S1, FIRST_EPOCH),) * PARTITIONS), entries)
    async with Redis.from_url(addresses[S1]) as redis:
        for number in range(PARTITIONS):
            names = [f"user-{n:08d}" for n in range(number, users, PARTITIONS)]
            await fill_partition(redis, Partition(number), users=names, start=EMPTY)


@dataclass(frozen=True, slots=True)
class LiveMove:
    """Carries out rounds on a running deployment."""

    ground: Ground
    found: Whole
    store: MapStore

    async def most_per_s(self) -> float:
        """How many actions are accepted as fast as they are sent."""
        grounded, sizes = self.found.grounded, self.ground.sizes
        requests = Requests("/actions", tuple(bodies()), grounded.token())
        per_s, _ = await rate(
            self._url,
            requests,
            connections=sizes.connections,
            load_s=sizes.load_s,
            folder=self.ground.new_folder("wrk"),
        )
        return per_s

    async def round(self, most_per_s: float, *, target: ShardId) -> Round:
        """Look before and during the move of everything to the target."""
        found = Round()
        await self._look(found, BEFORE, windows=[await self._window(LOAD * most_per_s)])
        await self._watch_calls()
        began_s, windows = monotonic_s(), list[tuple[Latencies, Latencies]]()
        moved = asyncio.create_task(self._move(target), name="move")
        while not windows or not moved.done():
            windows.append(await self._window(LOAD * most_per_s))
        found.took_s = await moved - began_s
        found.longest_ms = await self._longest_call_ms()
        within = [window for n, window in enumerate(windows) if (n + 1) * self.ground.sizes.load_s <= found.took_s]
        await self._look(found, DURING, windows=within or windows[:1])
        found.pauses_ms = await self._pauses_ms()
        return found

    @property
    def _url(self) -> str:
        assert self.found.gateway is not None
        return self.found.gateway.url

    async def _window(self, per_s: float) -> tuple[Latencies, Latencies]:
        """Actions and reads at constant rates, side by side, for a while."""
        token, sizes = self.found.grounded.token(), self.ground.sizes
        posts = [post_request(self._url, "/actions", body=body, token=token) for body in bodies()]
        acting = Plan(self._url, per_s, sizes.load_s, sizes.connections, posts)
        reading = Plan(self._url, READS_PER_S, sizes.load_s, READERS, [get_request(self._url, BOARD)])
        acted, read = await asyncio.gather(run_apart(acting), run_apart(reading))
        return acted, read

    async def _look(self, found: Round, when: str, *, windows: Iterable[tuple[Latencies, Latencies]]) -> None:
        """Accepted per second until the last answer of a window; a reader that fails has waited for ever."""
        acted, read = zip(*windows, strict=True)
        seconds = sum(self.ground.sizes.load_s + each.max_ms / 1_000 for each in acted)
        found.accepted[when] = sum(each.count for each in acted) / seconds
        found.p99_ms[when] = max(each.p99_ms if not each.failed + each.unanswered else 10**6 for each in read)

    async def _move(self, target: ShardId) -> float:
        """Everything to the target; the moment of the last switch."""
        stored = await self.store.read()
        assert stored.map is not None
        orders = tuple(MoveOrder(Partition(p), o.shard, target) for p, o in enumerate(stored.map.owners))
        order = PlanOrder(map_version=stored.version, checksum=str(stored.version), content=b"{}", moves=orders)
        await self.store.apply_plan(order)
        deadline_s = monotonic_s() + MOVE_S_MAX
        while monotonic_s() < deadline_s:
            stored = await self.store.read()
            owners = () if stored.map is None else stored.map.owners
            if all(owner.shard == target and owner.move is None and not owner.forget for owner in owners):
                return monotonic_s()
            await asyncio.sleep(0.1)
        raise NotMoved(f"{stored.map} after {MOVE_S_MAX:.0f} s")

    async def _pauses_ms(self) -> list[int]:
        reports = await self.store.moves()
        newest = reports[-PARTITIONS:]
        assert all(report.phase is MovePhase.DONE for report in newest), newest
        return [report.paused_ms for report in newest if report.paused_ms is not None]

    async def _watch_calls(self) -> None:
        for url in self.found.grounded.shards.values():
            async with Redis.from_url(url) as redis:
                await redis.config_set("latency-monitor-threshold", WATCHED_FROM_MS)
                await redis.execute_command("LATENCY RESET")  # type: ignore[no-untyped-call]

    async def _longest_call_ms(self) -> float:
        """Over both servers, by their own clocks on the wall."""
        longest = 0.0
        for url in self.found.grounded.shards.values():
            async with Redis.from_url(url) as redis:
                events: Any = await redis.execute_command("LATENCY LATEST")  # type: ignore[no-untyped-call]
                calls = [event[3] for event in events if event[0] in (b"command", b"fast-command")]
                longest = max([longest, *map(float, calls)])
        return longest


def part_of(ground: Ground, rounds: list[Round], *, most_per_s: float) -> Part:
    """What was found, with the bars."""
    sizes = ground.sizes
    ways = [
        *(
            Way(when, {PER_S: [r.accepted[when] for r in rounds], "p99_ms": [r.p99_ms[when] for r in rounds]})
            for when in (BEFORE, DURING)
        ),
        Way("longest call of a Redis", {"max_ms": [r.longest_ms for r in rounds]}),
        Way(PROMISE, {"max_ms": [CALL_MS_MAX] * len(rounds)}),
    ]
    pauses = sorted(pause for r in rounds for pause in r.pauses_ms)
    took_s = sorted(r.took_s for r in rounds)[len(rounds) // 2]
    paused = f"a partition paused for {pauses[len(pauses) // 2]} ms, median, at most {pauses[-1]} ms"
    return make_part(
        "move", f"live: {PARTITIONS} partitions while actions arrive",
        settings={"users": sizes.users, "actions_per_s": round(LOAD * most_per_s), "reads_per_s": READS_PER_S,
                  "seconds": sizes.load_s, "connections": sizes.connections},
        ways=ways,
        asks=[
            Ask(measure=PER_S, first=DURING, second=BEFORE, at_least=ACCEPTED_BAR),
            Ask(measure="p99_ms", first=DURING, second=BEFORE, at_most=READ_BAR),
            Ask(measure="max_ms", first="longest call of a Redis", second=PROMISE, at_most=1.0),
        ],
        notes=(
            f"{PER_S} is of accepted actions, p99_ms of GET top 10, the worst of the windows",
            f"a round's move took {took_s:.1f} s, median; {paused}",
        ),
    )  # fmt: skip
