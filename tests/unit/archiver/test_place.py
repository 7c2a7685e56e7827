"""What a place remembers between the rows and the scores."""

from archiver.counted_memory import CapUse
from archiver.place import Place, RawMark
from archiver.score_fold import Counted
from contracts.ids import ActionId, Id16, LogMs, Offset, Partition, UserId
from contracts.record import AdjustRecord

ID = Id16(b"x" * 16)
KEY = ("ann", "commit")


def test_what_is_pending_hides_the_tables_until_it_is_flushed() -> None:
    place = Place(Partition(0), RawMark(Offset(0), LogMs(0), None), Offset(0), points=10)
    memory = place.memory(seen={}, kept={ID: 1}, caps={KEY: CapUse(1, 1, 1)})
    memory.new_kept[ID], memory.new_caps[KEY] = 2, CapUse(1, 2, 2)
    adjust = AdjustRecord(
        v=1, id=ActionId("j"), user_id=UserId("ann"), received_at=0, points=-7, at=0, by="m", reason="r"
    )
    place.after_archived(RawMark(Offset(4), LogMs(9), None), counted=[Counted(0, LogMs(9), ID, adjust)], memory=memory)
    assert (place.is_behind, place.points_bound, place.scores_next) == (True, 17, 0)
    again = place.memory(seen={}, kept={ID: 1}, caps={KEY: CapUse(1, 1, 1)})
    assert (again.kept, again.caps) == ({ID: 2}, {KEY: CapUse(1, 2, 2)})
    place.after_flushed(points=17)
    assert (place.is_behind, place.points_bound, place.scores_next, place.pending) == (False, 17, 4, [])
    assert place.memory(seen={}, kept={}, caps={}).kept == {}
