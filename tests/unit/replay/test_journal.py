"""The journal: what it holds after an orderly end, after a crash, and what it refuses."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardboard.replay.journal import BadJournal, Earlier, Journal, may_count_twice, read_journal
from shardboard.replay.lines import FileSurvey

SOURCE = FileSurvey(content_bytes=1000, lines=50, sha256="ab" * 32)
OTHER = FileSurvey(content_bytes=1000, lines=50, sha256="cd" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.journal"


def run(path: Path, *accepted: list[tuple[int, int]], at_ms: int = 1000) -> Journal:
    journal = Journal.open(path, SOURCE)
    journal.begin(at_ms=at_ms)
    for batch in accepted:
        at_ms += 250
        journal.append(at_ms=at_ms, accepted=batch)
    return journal


def test_a_new_journal_knows_nothing(path: Path) -> None:
    Journal.open(path, SOURCE).close()
    assert read_journal(path) == (SOURCE, Earlier([]))


def test_acceptances_add_up_over_runs(path: Path) -> None:
    first = run(path, [(1, 3)], [(5, 5)])
    first.end(at_ms=2000, unknown=[], is_complete=False)
    first.close()
    second = run(path, [(4, 4), (9, 9)], at_ms=3000)
    assert second.earlier == Earlier([(1, 3), (5, 5)])
    second.end(at_ms=4000, unknown=[], is_complete=False)
    second.close()
    assert read_journal(path)[1] == Earlier([(1, 5), (9, 9)])


def test_a_run_that_was_killed_leaves_unknown_lines_since_its_last_sign(path: Path) -> None:
    run(path, [(1, 3)], at_ms=1000).close()
    assert read_journal(path)[1] == Earlier([(1, 3)], unknown_since_ms=1250)


def test_a_run_that_was_killed_before_its_first_batch_counts_too(path: Path) -> None:
    run(path, at_ms=1000).close()
    assert read_journal(path)[1] == Earlier([], unknown_since_ms=1000)


def test_lines_without_answer_stay_unknown_until_a_run_settles_all(path: Path) -> None:
    """The oldest one decides: a later run that ended early has not sent it again."""
    first = run(path, [(1, 3)], at_ms=1000)
    first.end(at_ms=2000, unknown=[(4, 4)], is_complete=False)
    first.close()
    second = run(path, at_ms=500_000)
    second.end(at_ms=600_000, unknown=[], is_complete=False)
    second.close()
    assert read_journal(path)[1].unknown_since_ms == 2000
    third = run(path, [(4, 50)], at_ms=700_000)
    third.end(at_ms=800_000, unknown=[], is_complete=True)
    third.close()
    assert read_journal(path)[1] == Earlier([(1, 50)])


@settings(deadline=None, max_examples=25)  # each writes and fsyncs several times
@given(data=st.data())
def test_a_torn_end_loses_at_most_the_batch_that_was_torn(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Cut the file after any byte: what is left opens, holds a prefix of the batches, and goes on."""
    path = tmp_path_factory.mktemp("torn") / "journal"
    run(path, [(1, 1)], [(2, 2)], [(3, 3)]).close()
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    journal = Journal.open(path, SOURCE)
    left = journal.earlier.accepted
    assert left in ([], [(1, 1)], [(1, 2)], [(1, 3)])
    journal.append(at_ms=9000, accepted=[(10, 10)])
    journal.close()
    assert read_journal(path) == (SOURCE, Earlier([*left, (10, 10)], unknown_since_ms=9000))


def test_the_journal_of_another_file_is_refused_and_kept(path: Path) -> None:
    run(path, [(1, 3)]).close()
    before = path.read_bytes()
    with pytest.raises(BadJournal, match="belongs to a file of 50 lines"):
        Journal.open(path, OTHER)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"precious", b"precious\n", b"\x00\xff", b'{"kind":"began","at_ms":1}\n', b"\n"])
def test_a_file_that_is_no_journal_is_refused_and_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BadJournal, match="not a replay's journal"):
        Journal.open(path, SOURCE)
    assert path.read_bytes() == content


def test_a_damaged_batch_is_refused(path: Path) -> None:
    run(path, [(1, 3)], [(4, 9)]).close()
    path.write_bytes(path.read_bytes().replace(b"[1,3]", b"[3,1]"))
    with pytest.raises(BadJournal, match="damaged"):
        Journal.open(path, SOURCE)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadJournal, match="missing"):
        Journal.open(tmp_path / "missing" / "journal", SOURCE)


@pytest.mark.parametrize(
    ("since_ms", "expected"), [(None, False), (1_000_000 - 660_000, False), (1_000_000 - 660_001, True)]
)
def test_lines_could_count_twice_only_after_the_window_less_both_runs_tries(
    since_ms: int | None, expected: bool
) -> None:
    earlier = Earlier([], unknown_since_ms=since_ms)
    assert may_count_twice(earlier, now_ms=1_000_000, window_ms=900_000, tried_ms=120_000) is expected
