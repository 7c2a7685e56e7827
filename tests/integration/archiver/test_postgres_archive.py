"""The archive on a real Postgres against the model of the Redis side: whatever the log, the batches, the flushes and
the restarts, a snapshot for a restore holds at scores_next what Redis would hold there."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.postgres_archive import archive, arrive
from archiver.postgres_places import PositionMoved
from tests.support.apply_model import LogRecord
from tests.support.archives import ANN, Archive, act, model_of, modelled, user_of
from tests.support.histories import RULES, START_MS, histories


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), log=histories())
def test_snapshot_holds_what_redis_would_hold(archives: Archive, data: st.DataObject, log: list[LogRecord]) -> None:
    place, done, flushed = archives.begin(), 0, 0
    while done < len(log):
        size = data.draw(st.integers(1, 15), label="batch")
        archives.archive(place, log[done : done + size])
        done += len(log[done : done + size])
        step = data.draw(st.sampled_from(["go on", "flush", "restart"]), label="then")
        if step == "flush":
            archives.flush(place)
        elif step == "restart":
            place = archives.restart()
        assert place.raw.next_offset == done
        if place.scores_next != flushed:
            flushed = place.scores_next
            assert archives.snapshot() == modelled(log[:flushed])
    archives.flush(place)
    model = model_of(log)
    assert archives.snapshot() == modelled(log)
    outcomes = dict(archives.fetch("SELECT log_offset, outcome FROM actions WHERE partition = $1"))
    expected = {offset: outcome.value for offset, outcome in model.outcomes.items()} | dict.fromkeys(model.dead, "dead")
    erased = {record.offset for record in log if record.offset <= model._erased.get(user_of(record) or "", -1)}
    assert outcomes == {offset: outcome for offset, outcome in expected.items() if offset not in erased}


def test_zombie_with_an_old_position_writes_nothing(archives: Archive) -> None:
    zombie, other = archives.begin(), archives.restart()
    archives.archive(other, [act(0), act(1)])
    with pytest.raises(PositionMoved):
        archives.archive(zombie, [act(0), act(1)])
    archives.flush(other)
    zombie.after_archived(other.raw, counted=[], memory=zombie.memory(seen={}, kept={}, caps={}))
    with pytest.raises(PositionMoved):
        archives.flush(zombie)
    assert archives.fetch("SELECT count(*) FROM actions WHERE partition = $1") == [(2,)]
    assert archives.snapshot()["scores"]["all_time", ANN] == (2, START_MS + 1)


def test_one_stale_partition_holds_back_all_of_a_transaction(archives: Archive) -> None:
    first, second = archives.begin(), archives.begin()
    archives.archive(archives.restart(), [act(0)])
    arrivals = [arrive(first, [act(0)]), arrive(second, [act(0)])]
    with pytest.raises(PositionMoved):
        archives.run(archive(archives.connection, arrivals, rules=RULES, clock=archives.clock))
    archives.partition = first.partition
    assert archives.fetch("SELECT raw_next FROM archive_progress WHERE partition = $1") == [(0,)]
    assert archives.fetch("SELECT * FROM actions WHERE partition = $1") == []


def test_repeat_is_recognised_in_its_window_and_the_next_one_only(archives: Archive) -> None:
    first = act(0)
    begin = first.timestamp // RULES.window_ms * RULES.window_ms
    place = archives.begin()
    for offset, window in enumerate((0, 1, 2)):
        at_ms = max(first.timestamp, begin + window * RULES.window_ms)
        archives.archive(place, [LogRecord(offset, at_ms, None, first.value)])
        place = archives.restart()
    outcomes = archives.fetch("SELECT outcome FROM actions WHERE partition = $1 ORDER BY log_offset")
    assert outcomes == [("counted",), ("repeat",), ("counted",)]
