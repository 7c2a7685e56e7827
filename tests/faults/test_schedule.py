"""The schedule is a function of its seed, and aims at every step."""

import pytest

from tests.faults.schedule import KAFKA_SHARE_MAX, Fault, Kind, kinds_of, schedule
from tests.faults.steps import IDLE, Target, all_steps, labels_of, step_of, steps_of

SEEDS = (1, 2, 3)


def test_the_same_seed_gives_the_same_faults_and_another_one_others() -> None:
    assert schedule(1, 200) == schedule(1, 200)
    assert schedule(1, 200)[:40] == schedule(1, 40)
    assert schedule(1, 40) != schedule(2, 40)


@pytest.mark.parametrize("seed", SEEDS)
def test_forty_faults_aim_at_every_step(seed: int) -> None:
    aimed = {(fault.target, fault.step) for fault in schedule(seed, 40)}
    assert aimed == set(all_steps(Target))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_schedule_makes_every_kind_on_every_target_and_spares_kafka(seed: int) -> None:
    faults = schedule(seed, 1_000)
    assert {(f.target, f.kind) for f in faults} == {(t, kind) for t in Target for kind in kinds_of(t)}
    assert sum(f.target is Target.KAFKA for f in faults) <= KAFKA_SHARE_MAX * len(faults)
    assert all(is_possible(fault) for fault in faults)


def is_possible(fault: Fault) -> bool:
    lasts = fault.kind is Kind.RESET or fault.lasts_s >= 0
    return fault.step in steps_of(fault.target) and fault.kind in kinds_of(fault.target) and lasts


def test_freezes_outlast_the_lease() -> None:
    assert min(f.lasts_s for f in schedule(1, 1_000) if f.kind is Kind.FREEZE) > 1.0


@pytest.mark.parametrize(("target", "step"), all_steps(Target))
def test_a_step_is_recognised_by_its_own_requests(target: Target, step: str) -> None:
    labels = labels_of(target, step)
    assert bool(labels) == (step != IDLE)
    for label in labels:
        assert step_of(target, {label, "kafka:offset commit"}) == step


def test_of_several_requests_the_first_step_counts() -> None:
    assert step_of(Target.WORKER, {"cache:HSET", "shard:sb1_apply"}) == "applying"
    assert step_of(Target.WORKER, {"shard:sb1_take_lease", "kafka:fetch"}) == IDLE
