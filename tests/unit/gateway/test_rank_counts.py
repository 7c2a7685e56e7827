"""Ranks add up from the own partition's first answer and the others' second one, whatever the own one says by then."""

from contracts.board_reads import Better, Part, Standing
from contracts.ids import LogMs, Offset, Partition, UserId
from gateway.rank_counts import as_of_ms, partitions_to_count, places, scores_to_count

P0, P1, P2 = Partition(0), Partition(1), Partition(2)
ADA, BOB, CY = UserId("ada"), UserId("bob"), UserId("cy")
USERS = {P0: [ADA, CY], P1: [BOB]}
OWN: dict[Partition, Part[tuple[Standing | bool, ...]]] = {
    P0: Part(Offset(5), LogMs(100), 10, (Standing(30, LogMs(1), 2, 31, False), False)),
    P1: Part(Offset(6), LogMs(90), 20, (Standing(50, LogMs(1), 0, False, True),)),
}


def better(*counts: int, above: tuple[int | bool, ...] = (False, False), at: int = 0) -> Part[Better]:
    return Part(Offset(at), LogMs(80 + at), 7, Better(counts, above))


OTHERS = {P0: better(1_000, 2, at=50), P1: better(4, 1_000, above=(40, False), at=60), P2: better(0, 1, at=70)}


def test_each_rank_counts_the_own_partition_as_it_was_and_the_others_as_they_are() -> None:
    assert scores_to_count(OWN) == [30, 50]
    found = places(OWN, OTHERS, users=USERS)
    assert set(found) == {ADA, BOB}
    ada, bob = found[ADA], found[BOB]
    assert (ada.rank, ada.above, ada.to_next, ada.total) == (1 + 2 + 4 + 0, 31, 1, 10 + 7 + 7)
    assert ada.positions == ((P0, 5), (P1, 60), (P2, 70))
    # A hidden user is counted among the users of the board he would be on.
    assert (bob.rank, bob.above, bob.to_next, bob.total) == (1 + 0 + 2 + 1, None, None, 20 + 7 + 7 + 1)


def test_a_partition_is_asked_again_only_for_users_of_others() -> None:
    assert partitions_to_count(OWN, 3) == [P0, P1, P2]
    assert partitions_to_count({P1: OWN[P1]}, 3) == [P0, P2]
    nobody: dict[Partition, Part[tuple[Standing | bool, ...]]] = {P1: Part(Offset(1), LogMs(1), 1, (False,))}
    assert partitions_to_count(nobody, 3) == []


def test_as_of_is_the_oldest_log_time_of_partitions_that_have_any() -> None:
    assert as_of_ms(OWN.values(), OTHERS.values()) == 90
    empty: Part[Better] = Part(Offset(0), LogMs(0), 0, Better((), ()))
    assert as_of_ms([empty, OTHERS[P2]]) == 150
    assert as_of_ms([empty]) is None
