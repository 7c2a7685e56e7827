"""The bytes of every record kind in the log, and that they are read again as they were written."""

from pathlib import Path
from typing import Final, get_args

import pytest

from contracts.record import Control, Record, decode, encode
from tests.contract.examples import RECORDS

GOLDEN: Final = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", RECORDS)
def test_written_bytes_have_not_changed(name: str) -> None:
    assert encode(RECORDS[name]) == (GOLDEN / f"record-v1-{name}.json").read_bytes()


@pytest.mark.parametrize("name", RECORDS)
def test_old_bytes_are_still_read(name: str) -> None:
    assert decode((GOLDEN / f"record-v1-{name}.json").read_bytes()) == RECORDS[name]


def test_every_kind_has_an_example() -> None:
    assert {type(record) for record in RECORDS.values()} == set(get_args(Record)) >= set(get_args(Control))


def test_every_golden_record_has_an_example() -> None:
    names = {path.stem.removeprefix("record-v1-") for path in GOLDEN.glob("record-v1-*.json")}
    assert names == set(RECORDS)
