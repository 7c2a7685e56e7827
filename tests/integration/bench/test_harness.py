"""Every benchmark runs to its end in its quick form, on real servers; what is finished is kept, whatever follows."""

import gzip
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bench.asked import Asked
from bench.harness import BENCHES, RESULT_FILE, Bench, Harness, OtherReport, read_report, to_go_on_with, write_report
from bench.results import Part, make_part
from bench.sizes import MIDDLE, QUICK
from tests.support.command import valid
from tests.support.services import missing


def finished(ground: object) -> AsyncIterator[Part]:
    """A benchmark that has one part."""
    return _parts("finished", None)


def other(ground: object) -> AsyncIterator[Part]:
    """Another one."""
    return _parts("other", None)


def another(ground: object) -> AsyncIterator[Part]:
    """A further case of the first one."""
    return _parts("finished", None, case="second")


def failing(ground: object) -> AsyncIterator[Part]:
    """One that fails after its first part."""
    return _parts("failing", ValueError("no more"))


def interrupted(ground: object) -> AsyncIterator[Part]:
    """One during which somebody types Ctrl-C."""
    return _parts("interrupted", KeyboardInterrupt())


async def _parts(name: str, error: BaseException | None, *, case: str = "first") -> AsyncIterator[Part]:
    yield make_part(name, case, settings={}, ways=[])
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


def test_a_run_goes_on_with_an_earlier_report_and_replaces_what_it_measures_again(tmp_path: Path) -> None:
    first = Harness(benches("finished", "failing"), QUICK, seed=7, folder=tmp_path).run(lambda _: None)
    earlier = to_go_on_with(tmp_path, seed=7)
    assert earlier == first
    report = Harness(benches("finished"), MIDDLE, seed=7, folder=tmp_path, earlier=earlier).run(lambda _: None)
    assert [(part.bench, part.run["form"]) for part in report.parts] == [("finished", "middle"), ("failing", "quick")]
    assert report.wanted == ("finished", "failing")
    assert report.failed == {"failing": "ValueError: no more"}, "it has not been run again"
    assert not report.complete
    assert read_report(tmp_path / RESULT_FILE) == report


def test_a_new_case_stands_with_those_of_its_benchmark(tmp_path: Path) -> None:
    earlier = Harness(benches("finished", "other"), QUICK, seed=7, folder=tmp_path).run(lambda _: None)
    report = Harness(benches("another"), QUICK, seed=7, earlier=earlier).run(lambda _: None)
    assert [part.key for part in report.parts] == [("finished", "first"), ("finished", "second"), ("other", "first")]


@pytest.mark.parametrize(("seed", "cpus"), [(8, None), (7, 999)])
def test_a_report_of_another_machine_or_seed_is_not_gone_on_with(tmp_path: Path, seed: int, cpus: int | None) -> None:
    report = Harness(benches("finished"), QUICK, seed=seed, folder=tmp_path).run(lambda _: None)
    if cpus is not None:
        other_machine = {**report.machine, "cpus": cpus}
        write_report(tmp_path / RESULT_FILE, msgspec.structs.replace(report, machine=other_machine))
    with pytest.raises(OtherReport, match="do not compare"):
        to_go_on_with(tmp_path, seed=7)


def test_what_is_no_report_is_not_gone_on_with(tmp_path: Path) -> None:
    assert to_go_on_with(tmp_path, seed=7) is None
    (tmp_path / RESULT_FILE).write_text("{}")
    with pytest.raises(OtherReport, match="no result"):
        to_go_on_with(tmp_path, seed=7)


def test_only_the_parts_that_are_asked_for_are_measured() -> None:
    told: list[Part] = []
    asked = Asked(only="3 BOARDS")
    Harness([BENCHES["apply"]], QUICK, seed=7, asked=asked).run(told.append)
    assert [part.case for part in told] == ["zipf 1.2, 3 boards"]


def test_the_sample_is_a_distribution_of_its_own(tmp_path: Path) -> None:
    """One user acts as often as both others, and the file is packed."""
    sample = tmp_path / "actions.ndjson.gz"
    lines = [json.dumps({"user_id": user, "action": "commit"}) for user in ("a", "b", "c", "c")]
    sample.write_bytes(gzip.compress("\n".join(lines).encode()))
    told: list[Part] = []
    Harness([BENCHES["apply"]], QUICK, seed=7, asked=Asked(sample, "sample, 1 board")).run(told.append)
    assert [(part.case, part.settings["users"]) for part in told] == [("sample, 1 board", 3)]


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
