"""What a run of tests says about a mutant, read from pytest's exit code and short summary."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

PYTEST: Final = ("-m", "pytest", "-x", "-q", "--color=no", "--no-header", "--tb=no", "-rfE", "--timeout=0")
PYTEST_PASSED: Final = 0
PYTEST_FAILED: Final = 1
_FAILED: Final = re.compile(r"^FAILED (.+?)(?: - (.*))?$", re.MULTILINE)


class Fate(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    """All its tests passed."""
    HUNG = "hung"
    """A test did not end, and the mutant is not marked as one that hangs."""
    BROKEN = "broken"
    """It did not get as far as a failing test: the mutant or the tests' ground is at fault, nothing is proved."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A mutant's fate, and by what."""

    fate: Fate
    by: str = ""
    """The test that killed it."""
    reason: str = ""
    """What that test said, or what went wrong."""


def verdict_of(exit_code: int | None, output: str, *, hangs: bool) -> Verdict:
    """Judge a run; no exit code: it had to be ended. An error outside a test is no kill."""
    if exit_code is None:
        return Verdict(Fate.KILLED, "a test that never ends") if hangs else Verdict(Fate.HUNG)
    if exit_code == PYTEST_PASSED:
        return Verdict(Fate.SURVIVED)
    failed = _FAILED.search(output)
    if exit_code == PYTEST_FAILED and failed is not None:
        return Verdict(Fate.KILLED, failed[1], failed[2] or "")
    return Verdict(Fate.BROKEN, reason="\n".join(output.splitlines()[-5:]))
