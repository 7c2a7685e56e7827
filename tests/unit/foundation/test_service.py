"""How a service ends: it drains when asked, never longer than its deadline, and its exit code says the truth."""

import signal
import time

import pytest

from contracts.exit_codes import ExitCode
from tests.unit.foundation.processes import LONGEST_S, run_to_end, tiny_service, wait_ready


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("behaviour", ["drains", "looks_between_steps"])
def test_a_service_drains_when_asked(behaviour: str, number: signal.Signals) -> None:
    with tiny_service(behaviour) as process:
        wait_ready(process)
        process.send_signal(number)
        _, log = process.communicate(timeout=LONGEST_S)
    assert process.returncode == ExitCode.OK
    assert "stopped" in log


@pytest.mark.parametrize("behaviour", ["ignores_the_signal", "ignores_cancelling"])
def test_draining_has_a_deadline(behaviour: str) -> None:
    with tiny_service(behaviour, DRAIN_S="1") as process:
        wait_ready(process)
        asked_at = time.monotonic()
        process.terminate()
        _, log = process.communicate(timeout=LONGEST_S)
    assert process.returncode == ExitCode.STALLED
    assert "drain_deadline_passed" in log
    assert time.monotonic() - asked_at < 8  # 1 s of draining and 1 s of overtime, on a busy machine


def test_who_asks_twice_wants_it_now() -> None:
    with tiny_service("ignores_the_signal", DRAIN_S="300") as process:
        wait_ready(process)
        process.terminate()
        assert process.stderr is not None
        assert "draining" in process.stderr.readline()
        process.terminate()
        assert process.wait(timeout=LONGEST_S) == ExitCode.STALLED


@pytest.mark.parametrize(
    ("behaviour", "code", "told"),
    [
        ("finishes", ExitCode.OK, "stopped"),
        ("collects_only_what_is_new", ExitCode.OK, "stopped"),
        ("is_refused", ExitCode.REFUSED, "another deployment's Redis"),
        ("is_refused_in_a_group", ExitCode.REFUSED, "another deployment's Redis"),
        ("has_bad_settings", ExitCode.REFUSED, "SHARDBOARD_X = 'y' must be a whole number"),
        ("fails", ExitCode.FAILED, "broken assumption"),
    ],
)
def test_an_end_is_told_by_code_and_log(behaviour: str, code: ExitCode, told: str) -> None:
    returned, log = run_to_end(behaviour)
    assert returned == code
    assert told in log


def test_a_bad_environment_is_told_before_anything_starts() -> None:
    with tiny_service("drains", DRAIN_S="soon") as process:
        said, log = process.communicate(timeout=LONGEST_S)
    assert process.returncode == ExitCode.REFUSED
    assert "SHARDBOARD_DRAIN_S" in log
    assert "ready" not in said
