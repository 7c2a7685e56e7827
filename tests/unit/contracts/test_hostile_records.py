"""No hostile record is taken for a record."""

import pytest

from contracts.record import BadRecord, decode
from tests.support.hostile_records import hostile_records


def test_every_hostile_record_is_refused_with_a_reason() -> None:
    for value in hostile_records(10_000, seed=1):
        with pytest.raises(BadRecord) as refusal:
            decode(value)
        assert str(refusal.value)
