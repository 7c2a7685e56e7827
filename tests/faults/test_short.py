"""The short form of `make faults`: forty faults at every step, ten zombies, and then everything is equal."""

import json
from pathlib import Path

import pytest

from tests.faults.report import render
from tests.faults.run import Plan, Run

FAULTS = 40
ZOMBIES = 10
ACTIONS = 5_000
RATE_PER_S = 150.0
SEED = 20261124


@pytest.mark.timeout(900)
async def test_forty_faults_and_ten_zombies_lose_and_double_nothing(tmp_path: Path) -> None:
    """A seed that fails is to be run again with `make faults ARGS="--seed … --faults 40"`."""
    plan = Plan(
        folder=tmp_path / "faults",
        seed=SEED,
        faults=FAULTS,
        actions=ACTIONS,
        zombies=ZOMBIES,
        rate_per_s=RATE_PER_S,
    )
    ended = await Run(plan).run()
    (tmp_path / "report.json").write_text(json.dumps(ended.document))
    report = render(ended.document, ended.coverage)
    assert ended.document["is_clean"], report
    assert ended.document["faults_made"] >= FAULTS, report
    assert ended.document["zombies"]["rounds"] == ZOMBIES, report
    assert ended.document["zombies"]["fenced"] >= ZOMBIES, report
