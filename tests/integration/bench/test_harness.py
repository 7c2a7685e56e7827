"""Every benchmark runs to its end in its quick form, on real servers; what is finished is kept, whatever follows."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.harness import BENCHES, RESULT_FILE, Bench, Harness, read_report
from bench.results import Part, make_part
from bench.sizes import QUICK
from tests.support.command import valid
from tests.support.services import missing


def finished(ground: object) -> AsyncIterator[Part]:
    """A benchmark that has one part."""
    return _parts("finished", None)


def failing(ground: object) -> AsyncIterator[Part]:
    """One that fails after its first part."""
    return _parts("failing", ValueError("no more"))


def interrupted(ground: object) -> AsyncIterator[Part]:
    """One during which somebody types Ctrl-C."""
    return _parts("interrupted", KeyboardInterrupt())


async def _parts(name: str, error: BaseException | None) -> AsyncIterator[Part]:
    yield make_part(name, "first", settings={}, ways=[])
    if error is not None:
        raise error


def benches(*names: str) -> list[Bench]:
    return [Bench(name, name, f"{__name__}:{name}") for name in names]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", BENCHES)
def test_quick_form_runs_and_tells_every_way(name: str, kafka_address: str, tmp_path: Path) -> None:
    for program in BENCHES[name].programs:
        if shutil.which(program) is None:
            missing(program, "`make test-deps` installs it")
    told: list[Part] = []
    harness = Harness([BENCHES[name]], QUICK, seed=7, folder=tmp_path)
    report = harness.run(told.append, kafka=kafka_address)
    assert (report.failed, report.complete, list(report.parts)) == ({}, True, told)
    assert told
    for part in told:
        assert part.bench == name
        assert len(part.ways) > 1
        for way in part.ways:
            for measure, values in way.measures.items():
                assert len(values) >= QUICK.rounds, measure
                assert all(value >= 0 for value in values), measure
        assert all(verdict.ratio >= 0 for verdict in part.verdicts)
    assert read_report(tmp_path / RESULT_FILE) == report
    assert valid((tmp_path / RESULT_FILE).read_text(), "bench")["machine"]["cpus"] > 0


def test_one_that_fails_is_told_and_does_not_stop_the_others(tmp_path: Path) -> None:
    report = Harness(benches("failing", "finished"), QUICK, seed=7, folder=tmp_path).run(lambda _: None)
    assert [part.bench for part in report.parts] == ["failing", "finished"]
    assert report.failed == {"failing": "ValueError: no more"}
    assert not report.complete


def test_an_interrupted_run_keeps_what_is_finished(tmp_path: Path) -> None:
    harness = Harness(benches("finished", "interrupted", "finished"), QUICK, seed=7, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        harness.run(lambda _: None)
    kept = json.loads((tmp_path / RESULT_FILE).read_text())
    assert [part["bench"] for part in kept["parts"]] == ["finished", "interrupted"]
    assert kept["complete"] is False
    assert kept["wanted"] == ["finished", "interrupted", "finished"]
