"""Every planted mutant still fits the code: its text is there exactly once, and the tests that must kill it exist."""

import re

import pytest

from tests.mutants.mutant import CannotPlant, Edit, Mutant, all_mutants, changed_texts
from tests.mutants.verdict import Fate, Verdict, verdict_of
from tests.tidy.sources import ROOT

MUTANTS = all_mutants()


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= 35


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_can_be_planted(mutant: Mutant) -> None:
    assert changed_texts(mutant.edit, lambda file: (ROOT / file).read_text(encoding="utf-8"))
    assert mutant.breaks
    assert not any(edit.file.startswith("tests/") for edit in mutant.edit)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_tests_that_must_kill_it_exist(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not name or re.search(rf"^(async )?def {re.escape(name.partition('[')[0])}\(", text, re.MULTILINE), test


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [("gone", "x", "0 times"), ("a", "b", "2 times"), ("c", "c", "changes nothing"), ("c", "(", "no Python")],
)
def test_mutant_that_does_not_fit_is_an_error(old: str, new: str, told: str) -> None:
    with pytest.raises(CannotPlant, match=told):
        changed_texts([Edit("f.py", old, new)], lambda _: "a = a + c")


def test_edits_of_one_file_are_made_together() -> None:
    assert changed_texts([Edit("f", "a", "b"), Edit("f", "c", "d")], lambda _: "a c") == {"f": "b d"}


def test_only_a_failed_test_kills() -> None:
    failed = "..F\nFAILED tests/unit/test_x.py::test_a[1] - assert 1 == 2\n1 failed"
    assert verdict_of(1, failed, hangs=False) == Verdict(
        Fate.KILLED, "tests/unit/test_x.py::test_a[1]", "assert 1 == 2"
    )
    assert verdict_of(0, "3 passed", hangs=False).fate is Fate.SURVIVED
    assert verdict_of(1, "ERROR tests/unit/test_x.py::test_a - ImportError", hangs=False).fate is Fate.BROKEN
    assert verdict_of(5, "no tests ran", hangs=False).fate is Fate.BROKEN
    assert verdict_of(None, "", hangs=False).fate is Fate.HUNG
    assert verdict_of(None, "", hangs=True).fate is Fate.KILLED
