"""Where the archiver stands in one partition, and what it has archived but not yet added to the scores. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from archiver.counted_memory import CapUse, CountedMemory, UserAction
from archiver.score_fold import Counted, points_at_most
from contracts.ids import Id16, LogMs, Offset, Partition, Window
from contracts.progress import LastRecord


@dataclass(frozen=True, slots=True)
class RawMark:
    """Up to where the log stands in `actions`."""

    next_offset: Offset
    log_ms: LogMs
    last: LastRecord | None


@dataclass(slots=True)
class Place:
    """One partition as this archiver knows it; compare-and-set in Postgres decides whether that is still true."""

    partition: Partition
    raw: RawMark
    scores_next: Offset
    points: int
    """Redis's progress field of that name, at scores_next."""
    pending: list[Counted] = field(default_factory=list)
    """Records that counted from scores_next up to raw.next_offset."""
    kept: dict[Id16, int] = field(default_factory=dict)
    """What `pending` adds to the table of that name."""
    caps: dict[UserAction, CapUse] = field(default_factory=dict)
    pending_points: int = 0
    """No score moves by more than this through `pending`."""

    @property
    def is_behind(self) -> bool:
        """Whether the scores lag behind the rows."""
        return self.scores_next != self.raw.next_offset

    @property
    def points_bound(self) -> int:
        """No score is larger than this at raw.next_offset."""
        return self.points + self.pending_points

    def memory(
        self, *, seen: Mapping[Id16, Window], kept: Mapping[Id16, int], caps: Mapping[UserAction, CapUse]
    ) -> CountedMemory:
        """What was looked up, under what is pending: the tables stand at scores_next."""
        memory = CountedMemory(kept={**kept, **self.kept}, caps={**caps, **self.caps})
        memory.seen.update(seen)
        return memory

    def after_archived(self, mark: RawMark, *, counted: list[Counted], memory: CountedMemory) -> None:
        """The rows up to `mark` are committed."""
        self.raw = mark
        self.pending += counted
        self.pending_points += sum(points_at_most(item.record) for item in counted)
        self.kept.update(memory.new_kept)
        self.caps.update(memory.new_caps)

    def after_flushed(self, points: int) -> None:
        """The scores stand where the rows stand."""
        self.scores_next = self.raw.next_offset
        self.points = points
        self.pending, self.kept, self.caps, self.pending_points = [], {}, {}, 0
