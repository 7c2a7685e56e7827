"""Exit codes that scripts rely on."""

from contracts.exit_codes import ExitCode


def test_exit_codes_are_fixed() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "DIFFERENT": 1,
        "USAGE": 2,
        "REFUSED": 3,
        "STALLED": 4,
        "FAILED": 5,
        "NOTHING_TO_DO": 6,
        "UNKNOWN": 7,
    }
