"""Reads ledger, log, every shard's Redis, Postgres and the boards once all is quiet, and compares them user by user."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.oracle import Place, read_points, top_faults
from contracts import redis_keys
from contracts.exit_codes import ExitCode
from contracts.ids import Partition
from foundation.redis_connect import connect
from shardboard.data_dir import redis_name
from tests.faults.board_watch import BoardWatch
from tests.faults.deployment import GATEWAYS, PARTITIONS, PERIODS, SHARDS, Deployment
from tests.faults.ledger import Outcomes
from tests.faults.load import Acts
from tests.faults.processes import ROOT
from tests.faults.truth import Cells, LogRecord, Sent, Truth, compare_ledger, compare_scores
from tests.support.processes import command
from tests.support.wait import wait_until

KINDS: Final = tuple(PERIODS.split(","))
TOP: Final = 100
QUIET_S: Final = 60.0
SHOWN_MAX: Final = 10


@dataclass(slots=True)
class Findings:
    """Everything that is not as it must be, and the figures of what was compared."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    """Not a point lost or doubled, yet not equal: places, times of scoring, positions, boards."""
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether all is equal."""
        return not (self.lost or self.doubled or self.phantom or self.different)

    def document(self) -> dict[str, Any]:
        """For the report."""
        kinds = ("lost", "doubled", "phantom", "different")
        faults = {kind: {"count": len(getattr(self, kind)), "first": getattr(self, kind)[:SHOWN_MAX]} for kind in kinds}
        return {**faults, "compared": self.figures}


async def audit(deployment: Deployment, acts: Acts, *, outcomes: Outcomes, watch: BoardWatch) -> Findings:
    """Wait until everything has read the whole log, then compare. No load, no fault may be under way."""
    checks = _Audit(deployment, await read_truth(deployment))
    await checks.until_read()
    checks.compare_ledger(acts, outcomes)
    checks.take_scores("Redis", await redis_cells(deployment))
    checks.take_scores("Postgres", await postgres_cells(deployment))
    await checks.compare_raw()
    await checks.compare_progress()
    await checks.compare_boards()
    checks.compare_shown(watch)
    await checks.ask_verify()
    return checks.found


async def read_truth(deployment: Deployment) -> Truth:
    """The whole log, from its first record."""
    truth, topic = Truth(), deployment.common.actions_topic
    consumer = AIOKafkaConsumer(bootstrap_servers=deployment.environment["SHARDBOARD_KAFKA"])
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        truth.ends.update({partition.partition: 0 for partition in partitions})
        while any(truth.ends[p.partition] < ends[p] for p in partitions):
            for records in (await consumer.getmany(timeout_ms=500, max_records=5_000)).values():
                for r in records:
                    truth.read(LogRecord(r.partition, r.offset, r.timestamp, r.value), kinds=KINDS)
    finally:
        await consumer.stop()
    return truth


async def redis_cells(deployment: Deployment) -> Cells:
    """Every score in every shard's Redis, read by its keys."""
    cells: dict[tuple[str, str], tuple[int, int]] = {}
    for shard in SHARDS:
        redis = connect(deployment.direct(redis_name(shard)))
        try:
            async for key in redis.scan_iter(match="lb:{*}:scores:*", count=1_000):
                prefix, period = key.decode().split(":scores:")
                scores: Any = await redis.zrange(key, 0, -1, withscores=True)
                times: Any = await redis.hgetall(f"{prefix}:scored_at:{period}")
                for user, score in scores:
                    cell = (period, user.decode())
                    assert cell not in cells, f"{cell} stands in two partitions"
                    cells[cell] = (int(score), int(times[user]))
        finally:
            await redis.aclose()
    return cells


async def postgres_cells(deployment: Deployment) -> Cells:
    """Every score in Postgres."""
    connection = await asyncpg.connect(deployment.direct("postgres"))
    try:
        rows = await connection.fetch("SELECT period, user_id, score, scored_at FROM scores")
    finally:
        await connection.close()
    return {(row["period"], row["user_id"]): (row["score"], row["scored_at"]) for row in rows}


class _Audit:
    """The comparisons of one audit, each adding what it finds."""

    def __init__(self, deployment: Deployment, truth: Truth) -> None:
        self._deployment = deployment
        self._truth = truth
        self.found = Findings()
        self.found.figures |= {"records": truth.records, "repeats": truth.repeats, "ids": len(truth.place_of)}

    async def until_read(self) -> None:
        """Readers that never reach the end are a finding, and everything is compared all the same."""

        async def is_read() -> bool:
            return not [line async for line in self._behind()]

        try:
            await wait_until(is_read, timeout_s=QUIET_S, what="every reader of the log to reach its end")
            await wait_until(self._is_shown, timeout_s=QUIET_S, what="the boards to be right")
        except AssertionError as error:
            self.found.different.append(str(error))
            self.found.different += [line async for line in self._behind()]

    def compare_ledger(self, acts: Acts, outcomes: Outcomes) -> None:
        """What clients were told, with the log."""
        faults = compare_ledger(_sent(acts, outcomes), self._truth)
        self.found.lost += [f"ledger: {line}" for line in faults.lost]
        self.found.phantom += [f"ledger: {line}" for line in faults.phantom]
        self.found.different += [f"ledger: {line}" for line in faults.misplaced]
        self.found.figures |= {
            "acknowledged": len(outcomes.places),
            "refused": len(outcomes.refused),
            "unknown_recorded": faults.unknown_recorded,
            "unknown_absent": faults.unknown_absent,
        }

    def take_scores(self, where: str, cells: Cells) -> None:
        """Every user's score somewhere, with the log."""
        faults = compare_scores(where, cells, truth=self._truth)
        self.found.lost += faults.lost
        self.found.doubled += faults.doubled
        self.found.different += faults.dated
        self.found.figures[f"scores_in_{where.lower()}"] = len(cells)

    async def compare_raw(self) -> None:
        """Postgres' rows of single actions: every record once, the first of each id counted."""
        connection = await asyncpg.connect(self._deployment.direct("postgres"))
        try:
            rows = await connection.fetch("SELECT partition, log_offset, outcome, user_id, action_id FROM actions")
        finally:
            await connection.close()
        self.found.figures["rows_in_postgres"] = len(rows)
        if len(rows) != self._truth.records:
            self.found.different.append(f"Postgres has {len(rows)} rows, the log {self._truth.records} records")
        for row in rows:
            place, key = (row["partition"], row["log_offset"]), (row["user_id"], row["action_id"])
            right = "counted" if self._truth.place_of.get(key) == place else "repeat"
            if row["outcome"] != right:
                self.found.different.append(f"Postgres: the row at {place} is {row['outcome']}, not {right}")

    async def compare_progress(self) -> None:
        """Every partition's position and sums, and that one shard alone owns it."""
        owners: dict[int, str] = {}
        async for shard, partition, raw in _progress(self._deployment):
            if partition in owners:
                self.found.different.append(f"partition {partition} is in {owners[partition]} and {shard}")
            owners[partition] = shard
            truth = self._truth
            stands = (int(raw[b"next_offset"]), int(raw[b"points"]), int(raw[b"counted"]), raw[b"state"])
            right = (truth.ends[partition], truth.points[partition], truth.counted[partition], b"owned")
            if stands != right:
                self.found.different.append(f"{shard}: progress of partition {partition} is {stands}, not {right}")
        self.found.different += [f"partition {p} has no owner" for p in range(PARTITIONS) if p not in owners]

    async def compare_boards(self) -> None:
        """The boards as gateways show them, once they had time: reading everything holds up this process, and with it
        the proxies that all parts speak through."""
        with suppress(AssertionError):
            await wait_until(self._is_shown, timeout_s=QUIET_S, what="the boards to be right")
        async for gateway, period, faults in self._board_faults():
            self.found.different += [f"{gateway}, {period}: {fault}" for fault in faults[:SHOWN_MAX]]
            self.found.figures["boards"] = self.found.figures.get("boards", 0) + 1

    def compare_shown(self, watch: BoardWatch) -> None:
        """Nobody was ever shown with more than the log has now."""
        for period in watch.periods:
            for user, score in watch.highest(period).items():
                if score > self._truth.scores[period][user]:
                    self.found.phantom.append(f"{user!r} was shown with {score} on {period}, the log has less")

    async def ask_verify(self) -> None:
        """What an operator would ask: `shardboard verify` shares the product's rule of what counts, but reads anew."""
        ended = await command("verify", "--deep", "--output", "json", cwd=None, **self._deployment.environment)
        if ended.code != ExitCode.OK:
            told = ended.json["first"] if ended.out else ended.err
            self.found.different.append(f"shardboard verify exits with {ended.code}: {told}")
        else:
            self.found.figures["records_verified"] = ended.json["records"]

    async def _is_shown(self) -> bool:
        return not any([faults async for _, _, faults in self._board_faults()])

    async def _behind(self) -> AsyncIterator[str]:
        ends = self._truth.ends
        async for shard, partition, raw in _progress(self._deployment):
            if int(raw[b"next_offset"]) < ends[partition]:
                yield f"{shard}: partition {partition} stands at {int(raw[b'next_offset'])} of {ends[partition]}"
        connection = await asyncpg.connect(self._deployment.direct("postgres"))
        try:
            rows = await connection.fetch("SELECT partition, raw_next, scores_next FROM archive_progress")
        finally:
            await connection.close()
        places = {row["partition"]: (row["raw_next"], row["scores_next"]) for row in rows}
        for partition, end in ends.items():
            if min(places.get(partition, (0, 0))) < end:
                yield f"Postgres: partition {partition} stands at {places.get(partition)} of {end}"

    async def _board_faults(self) -> AsyncIterator[tuple[str, str, list[str]]]:
        """Every board that anything was counted on, at every gateway."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            for gateway in GATEWAYS:
                for period, scores in self._truth.scores.items():
                    url = f"{self._deployment.proxy_url(gateway)}/leaderboard?period={period}&limit={TOP}"
                    try:
                        async with http.get(url) as answer:
                            text, status = await answer.text(), answer.status
                    except (aiohttp.ClientError, TimeoutError) as error:
                        yield gateway, period, [f"no answer: {error!r}"]
                        continue
                    yield gateway, period, _faults_of(text, scores) if status == 200 else [f"status {status}: {text}"]


def _faults_of(text: str, scores: Mapping[str, int]) -> list[str]:
    board = json.loads(text)
    rows = [Place(row["rank"], row["user_id"], row["score"]) for row in board["entries"]]
    faults = top_faults(rows, scores, count=TOP)
    if board["stale"] or not board["complete"]:
        faults.append(f"stale {board['stale']}, complete {board['complete']}")
    return faults


async def _progress(deployment: Deployment) -> AsyncIterator[tuple[str, int, dict[bytes, bytes]]]:
    for shard in SHARDS:
        redis = connect(deployment.direct(redis_name(shard)))
        try:
            for partition in range(PARTITIONS):
                raw: Any = await redis.hgetall(redis_keys.progress(Partition(partition)))
                if raw:
                    yield shard, partition, raw
        finally:
            await redis.aclose()


def _sent(acts: Acts, outcomes: Outcomes) -> Iterator[Sent]:
    points = read_points(ROOT / "actions.toml")
    outcomes.settle()
    for number in range(outcomes.begun):
        act = acts[number]
        place, may_be_there = outcomes.places.get(number), number in outcomes.unknown
        yield Sent(act.user_id, act.action_id, points[act.action], place, may_be_there)
