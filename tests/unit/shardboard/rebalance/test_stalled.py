"""Each cause of a standstill is named, with what to do; what only takes its time is not called stalled."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.exit_codes import ExitCode
from contracts.ids import Epoch, ShardId
from contracts.moves import MovePhase, MoveReport, StoredMap
from shardboard.rebalance.figures import ShardFigures
from shardboard.rebalance.stalled import SILENT_MS, MoveFinding, StalledReport, why_stalled
from tests.support.clusters import S1, S4, cluster, figures, moving, owner_of, paused, report, with_owner

NOW = 100_000
READY = cluster(S1, joined=(S4,), partitions=4)
UNDER_WAY = moving(READY, 0, target=S4)
TOLD = figures(UNDER_WAY)


def look(
    stored: StoredMap = UNDER_WAY, *reports: MoveReport, told: dict[ShardId, ShardFigures] | None = None
) -> StalledReport:
    return why_stalled(stored, reports, figures=TOLD if told is None else told, now_ms=NOW)


def one(stored: StoredMap, *reports: MoveReport, told: dict[ShardId, ShardFigures] | None = None) -> MoveFinding:
    (finding,) = look(stored, *reports, told=told).moves
    return finding


def heard(phase: MovePhase = MovePhase.COPYING, *, ago_ms: int = 1_000, **fields: Any) -> MoveReport:
    return report(0, phase, **{"changed_ms": NOW - ago_ms, **fields})


def without(shard: ShardId, **fields: Any) -> dict[ShardId, ShardFigures]:
    return {**TOLD, shard: replace(TOLD[shard], **fields)}


def test_nothing_on_its_way_is_nothing_to_do() -> None:
    assert look(READY).exit_code is ExitCode.NOTHING_TO_DO


def test_a_move_that_goes_on_tells_what_its_worker_told() -> None:
    finding = one(UNDER_WAY, heard(reason="chunk 7 of 20"))
    assert (finding.is_stalled, finding.reason, finding.phase, finding.told_s) == (False, "chunk 7 of 20", "copying", 1)
    assert look(UNDER_WAY, heard()).exit_code is ExitCode.OK


@pytest.mark.parametrize(
    ("stored", "reports", "told", "reason", "remedy"),
    [
        (paused(UNDER_WAY), [], TOLD, "moves are paused", "rebalance resume"),
        (UNDER_WAY, [heard()], without(S4, fault="refused"), "Redis of s4 does not answer (refused)", "abort"),
        (UNDER_WAY, [], without(S4, has_worker=False), "no worker serves s4", "worker --shard s4"),
        (UNDER_WAY, [heard(ago_ms=SILENT_MS + 1)], TOLD, "told nothing for 15 s", "log of the worker of s4"),
    ],
    ids=["paused", "target away", "no worker", "silent"],
)
def test_stalled(
    stored: StoredMap, reports: list[MoveReport], told: dict[ShardId, ShardFigures], reason: str, remedy: str
) -> None:
    finding = one(stored, *reports, told=told)
    assert finding.is_stalled
    assert reason in finding.reason
    assert remedy in finding.remedy
    assert look(stored, *reports, told=told).exit_code is ExitCode.STALLED


def test_a_source_that_is_away_is_restored_from_elsewhere() -> None:
    away = without(S1, fault="refused")
    finding = one(UNDER_WAY, heard(MovePhase.FENCING), told=away)
    assert not finding.is_stalled
    assert "restored from Postgres and the log" in finding.reason
    assert not one(UNDER_WAY, heard(MovePhase.RESTORING, reason="3 of 9 rows"), told=away).is_stalled


def test_a_move_waits_for_its_turn() -> None:
    stored = moving(moving(UNDER_WAY, 1, target=S4), 2, target=S4)
    begun = [heard(), replace(heard(), partition=owner(1)), replace(heard(MovePhase.INTENDED), partition=owner(2))]
    last = look(stored, *begun).moves[2]
    assert (last.is_stalled, last.reason) == (False, "it waits for its turn: 2 moves at once")


def test_a_move_that_has_begun_goes_on_though_paused() -> None:
    assert not one(paused(UNDER_WAY), heard()).is_stalled


def test_a_report_of_an_earlier_move_says_nothing_of_this_one() -> None:
    finding = one(UNDER_WAY, heard(ago_ms=SILENT_MS * 9, move_epoch=Epoch(1)))
    assert (finding.phase, finding.is_stalled) == ("intended", False)


def test_leftovers_wait_for_the_shard_that_has_them() -> None:
    stored = with_owner(READY, 0, shard=S4, forget=(S1,))
    assert not one(stored, heard(MovePhase.FORGETTING)).is_stalled
    away = one(stored, told=without(S1, fault="refused"))
    assert away.is_stalled
    assert (away.source, away.target, away.phase) == (S1, S4, "forgetting")
    assert "rebalance give-up s1" in away.remedy
    unserved = one(stored, told=without(S4, has_worker=False))
    assert "no worker serves s4" in unserved.reason


def test_a_shard_that_takes_no_part_is_away() -> None:
    stored = with_owner(READY, 0, shard=S4, forget=(ShardId("gone"),))
    assert "it takes no part" in one(stored).reason


def owner(partition: int) -> Any:
    assert owner_of(UNDER_WAY, partition)
    return partition
