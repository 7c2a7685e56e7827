"""Where the archive stands, read again after a restart."""

import pytest

from archiver import postgres_places
from archiver.counted_memory import CapUse
from contracts.counting import day_of
from contracts.ids import LogMs
from contracts.record import Limits
from tests.support.archives import ANN, Archive, act
from tests.support.histories import START_MS


def test_pending_rows_are_read_in_chunks_and_remembered(archives: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_places, "PENDING_ROWS", 3)
    place = archives.begin()
    archives.archive(place, [act(0, limits=Limits(5))])
    archives.flush(place)
    archives.archive(place, [act(n, limits=Limits(5), keep_until=START_MS + n) for n in range(1, 9)])
    again = archives.restart()
    assert again.pending == place.pending
    assert [item.offset for item in again.pending] == [1, 2, 3, 4]  # four more were over the limit
    assert (again.kept, again.caps) == (place.kept, place.caps)
    assert again.caps == {(ANN, "commit"): CapUse(day_of(LogMs(START_MS)), 5, 0)}
    assert (again.raw, again.scores_next, again.points_bound) == (place.raw, 1, place.points_bound)
