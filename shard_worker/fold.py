"""Turns records of one partition into batches for the apply call: increments summed per user and board, controls in log
order between them, ids, limits and dead letters apart. Pure, and the worker's hot loop: plain dicts and lists."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from contracts.counting import DAY_MS, CountingRules, open_boards
from contracts.identity import id16_of
from contracts.ids import ActionId, LogMs, Offset, Partition, PeriodId, UserId
from contracts.log import Appended
from contracts.periods import PeriodSpan, SpanCache
from contracts.progress import LastRecord
from contracts.record import (
    ActionRecord,
    AdjustRecord,
    BadRecord,
    Control,
    EraseRecord,
    HideRecord,
    ProfileRecord,
    UnhideRecord,
    VoidRecord,
    decode,
)

BATCH_RECORDS_MAX: Final = 5_000
"""Records of one apply call: some 50 ms of Redis's time, so that reads of others are not held up longer."""
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class DeadRecord:
    """A record that cannot count, and why."""

    partition: Partition
    record: Appended
    reason: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition's log is applied up to."""

    next_offset: Offset
    log_ms: LogMs


@dataclass(slots=True)
class Batch:
    """One apply call. `body` is packed; the K-th scores are added when it is sent."""

    partition: Partition
    records: Sequence[Appended]
    """All that it covers, so that it can be folded again without some."""
    before: Position
    after: Position
    ids: bytes = b""
    offsets: list[int] = field(default_factory=list)
    """The record of each id, by offset."""
    again: AbstractSet[int] = frozenset()
    """Numbers of ids that stand in the batch before: they do not count, and are told with the others if none does."""
    body: bytes = b""
    periods: set[PeriodId] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    """The newest name of each user in the batch."""
    profiles: dict[str, str] = field(default_factory=dict)
    """Names that came without points."""
    erased: list[str] = field(default_factory=list)
    skipped: AbstractSet[int] = frozenset()
    """Offsets of records that were judged not to count."""
    dead: list[DeadRecord] = field(default_factory=list)
    counted: int = 0
    increments: int = 0
    """Distinct users and boards."""
    repeats: int = 0


@dataclass(slots=True)
class _Sums:
    """Actions since the last control: per set of boards the points and the newest log time of each user."""

    groups: dict[tuple[PeriodId, ...], tuple[dict[str, int], dict[str, int]]] = field(default_factory=dict)

    def take(self) -> list[Any] | None:
        """The fold's segment, or None when there was no action. The sums are empty afterwards."""
        groups, self.groups = self.groups, {}
        if not groups:
            return None
        if len(groups) > 1:
            groups = _per_board(groups)
        return ["fold", [[list(boards), _pairs(at), list(points.values())] for boards, (points, at) in groups.items()]]


class Folder:
    """Folds for one deployment's rules and calendar. It keeps nothing from batch to batch but recent periods."""

    def __init__(self, rules: CountingRules, spans: SpanCache) -> None:
        self._rules = rules
        self._spans = spans

    def fold_all(
        self,
        partition: Partition,
        records: Sequence[Appended],
        *,
        before: Position,
        skip: AbstractSet[int] = frozenset(),
    ) -> list[Batch]:
        """All of `records`, in as many batches as windows, days and the bound on size ask for."""
        batches: list[Batch] = []
        start = 0
        while start < len(records):
            batch = self.fold(partition, records[start : start + BATCH_RECORDS_MAX], before=before, skip=skip)
            batches.append(batch)
            before = batch.after
            start += len(batch.records)
        return batches

    def fold(
        self,
        partition: Partition,
        records: Sequence[Appended],
        *,
        before: Position,
        skip: AbstractSet[int] = frozenset(),
    ) -> Batch:
        """The longest batch that `records` begin with: at least one record, never over two windows or days.

        Records whose offset is in `skip` were judged not to count; they still move offset and log time.
        """
        fold = _Fold(self._rules, self._spans, partition=partition, log_ms=before.log_ms)
        used = fold.run(records, skip)
        taken = records[:used]
        last = taken[-1]
        mark = LastRecord.of(last)
        after = Position(Offset(last.offset + 1), LogMs(fold.log_ms))
        batch = Batch(partition, taken, before, after, fold.ids_blob(), fold.offsets, frozenset(fold.again))
        batch.names, batch.dead, batch.counted, batch.repeats = fold.names, fold.dead, fold.counted, fold.repeats
        batch.profiles, batch.erased, batch.skipped = fold.profiles, fold.erased, skip
        batch.body = _encode(fold.body(after.next_offset, mark))
        batch.periods, batch.increments = fold.touched()
        return batch


class _Fold:
    """One batch in the making."""

    def __init__(self, rules: CountingRules, spans: SpanCache, *, partition: Partition, log_ms: int) -> None:
        self.partition = partition
        self.rules = rules
        self.spans = spans
        self.log_ms = log_ms
        self.ids: dict[bytes, bool] = {}
        self.again: dict[int, bytes] = {}
        self.offsets: list[int] = []
        self.names: dict[str, str] = {}
        self.profiles: dict[str, str] = {}
        self.erased: list[str] = []
        self.dead: list[DeadRecord] = []
        self.counted = 0
        self.repeats = 0
        self._points = 0
        self._runs: list[int] = []
        self._limited: list[list[Any]] = []
        self._keep: list[list[int]] = []
        self._segments: list[list[Any]] = []
        self._sums = _Sums()

    def run(self, records: Sequence[Appended], skip: AbstractSet[int]) -> int:  # noqa: C901  one loop: calls cost more here
        """Fold until a new window or day begins, and return how many records that were.

        An id that comes twice counts once; Redis is asked about both, so that thousands of replays of one id are told
        in one reply. Only when the first of the two carries limits, whether it counts is not
        known before Redis says so: then the second one begins the next batch.
        """
        log_ms, ids, offsets, names = self.log_ms, self.ids, self.offsets, self.names
        span: PeriodSpan | None = None
        boards: tuple[PeriodId, ...] = ()
        open_until = cut_ms = -1
        points: dict[str, int] = {}
        at: dict[str, int] = {}
        groups: dict[tuple[PeriodId, ...], tuple[dict[str, int], dict[str, int]]] | None = None
        for index, record in enumerate(records):
            if record.timestamp > log_ms or cut_ms < 0:
                now_ms = max(log_ms, record.timestamp)
                if now_ms >= cut_ms:
                    if index:
                        self.log_ms = log_ms
                        return self._end(index)
                    cut_ms = self._next_cut(now_ms)
                self._end_run(log_ms)
                log_ms = now_ms
                if log_ms >= open_until:
                    span = None
            if skip and record.offset in skip:
                continue
            try:
                decoded = decode(record.value)
            except BadRecord as bad:
                self.dead.append(DeadRecord(self.partition, record, str(bad)))
                continue
            user = decoded.user_id
            id16 = id16_of(user, decoded.id)
            if id16 in ids:
                if ids[id16]:
                    # This record's time is not of the batch that it begins the next one of.
                    self.log_ms = max(self.log_ms, *(earlier.timestamp for earlier in records[:index]))
                    return self._end(index)
                self.repeats += 1
                self.again[len(offsets)] = id16
                offsets.append(record.offset)
                continue
            if not isinstance(decoded, ActionRecord):
                ids[id16] = False
                offsets.append(record.offset)
                self._control(decoded, record.offset, log_ms=log_ms)
                groups = None
                continue
            ids[id16] = decoded.limits is not None
            offsets.append(record.offset)
            if span is None or not span.start_ms <= decoded.at < span.end_ms:
                span = self.spans.span_at(decoded.at)
                boards = open_boards(span, LogMs(log_ms), rules=self.rules)
                open_until = self._open_until(span, log_ms)
                groups = None
            if groups is not self._sums.groups:
                groups = self._sums.groups
                points, at = groups.setdefault(boards, ({}, {}))
            points[user] = points.get(user, 0) + decoded.points
            at[user] = log_ms
            self._points += decoded.points
            self.counted += 1
            if decoded.name is not None:
                names[user] = decoded.name
            if decoded.limits is not None or decoded.keep_until is not None:
                self._special(decoded)
        self.log_ms = log_ms
        return self._end(len(records))

    def ids_blob(self) -> bytes:
        """The ids in the order of `offsets`."""
        if not self.again:
            return b"".join(self.ids)
        first = iter(self.ids)
        return b"".join(self.again.get(number) or next(first) for number in range(len(self.offsets)))

    def body(self, next_offset: Offset, last: LastRecord) -> dict[str, Any]:
        """The call's body, in the words of `lua/40_apply.lua`."""
        return {
            "next_offset": next_offset,
            "log_ms": self.log_ms,
            "last": last.encode(),
            "window_ms": self.rules.window_ms,
            "points": self._points,
            "counted": self.counted,
            "runs": self._runs,
            "limited": self._limited,
            "keep": self._keep,
            "names": self.names,
            "segments": self._segments,
        }

    def touched(self) -> tuple[set[PeriodId], int]:
        """The boards that get points, and the number of distinct users and boards."""
        periods: set[PeriodId] = set()
        increments = 0
        for segment in self._segments:
            if segment[0] == "fold":
                for boards, _, points in segment[1]:
                    periods.update(boards)
                    increments += len(boards) * len(points)
            elif segment[0] in ("adjust", "void"):
                periods.update(segment[3])
                increments += len(segment[3])
        return periods, increments

    def _next_cut(self, log_ms: int) -> int:
        window_ms = self.rules.window_ms
        return min((log_ms // window_ms + 1) * window_ms, (log_ms // DAY_MS + 1) * DAY_MS)

    def _open_until(self, span: PeriodSpan, log_ms: int) -> int:
        """The log time from which fewer boards of `span` are open: they must be asked for again."""
        ends = [period.end_ms + self.rules.lateness_ms for period in span.periods]
        return min(end for end in ends if end > log_ms)

    def _end_run(self, log_ms: int) -> None:
        count = len(self.offsets)
        if count and (not self._runs or self._runs[-2] != count):
            self._runs += (count, log_ms)

    def _end(self, used: int) -> int:
        self._end_run(self.log_ms)
        self._close_fold()
        return used

    def _close_fold(self) -> None:
        segment = self._sums.take()
        if segment is not None:
            self._segments.append(segment)

    def _special(self, record: ActionRecord) -> None:
        number = len(self.offsets)  # Lua counts from 1
        if record.keep_until is not None:
            self._keep.append([number, record.keep_until])
        limits = record.limits
        if limits is not None:
            # The field of the caps is a digest: it outlives an erase of the user, and must not tell who it was.
            used_by = id16_of(record.user_id, ActionId(record.action)).hex()
            self._limited.append(
                [number, used_by, limits.cap_per_day or 0, limits.cooldown_ms or 0, record.received_at]
            )

    def _control(self, record: Control, offset: int, *, log_ms: int) -> None:
        if isinstance(record, ProfileRecord):
            if record.name is not None:
                self.names[record.user_id] = self.profiles[record.user_id] = record.name
                self._segments.append(["name", record.user_id, record.name])
            return
        self._close_fold()
        user = record.user_id
        if isinstance(record, AdjustRecord):
            self._segments.append(["adjust", user, record.points, self._boards(record.at, log_ms)])
            self._points += abs(record.points)
        elif isinstance(record, VoidRecord):
            boards = self._boards(record.void_at, log_ms)
            voided = id16_of(user, record.void_id).hex()
            self._segments.append(
                ["void", user, record.points, boards, voided, user16(user), record.void_offset],
            )
        elif isinstance(record, HideRecord | UnhideRecord):
            kind = "hide" if isinstance(record, HideRecord) else "unhide"
            self._segments.append([kind, user, self._oldest_open(log_ms)])
        elif isinstance(record, EraseRecord):
            self.names.pop(user, None)
            self.profiles.pop(user, None)
            self.erased.append(user)
            self._segments.append(["erase", user, user16(user), offset])

    def _boards(self, at: int, log_ms: int) -> list[PeriodId]:
        return list(open_boards(self.spans.span_at(at), LogMs(log_ms), rules=self.rules))

    def _oldest_open(self, log_ms: int) -> dict[str, PeriodId]:
        span = self.spans.span_at(max(0, log_ms - self.rules.lateness_ms))
        return {period.kind: period.id for period in span.periods}


def user16(user_id: UserId) -> str:
    """What remains of an erased user: a digest, in hexadecimal."""
    return id16_of(user_id, ActionId("")).hex()


def _pairs(at: dict[str, int]) -> list[Any]:
    flat: list[Any] = [None] * (2 * len(at))
    flat[::2] = at
    flat[1::2] = at.values()
    return flat


def _per_board(
    groups: dict[tuple[PeriodId, ...], tuple[dict[str, int], dict[str, int]]],
) -> dict[tuple[PeriodId, ...], tuple[dict[str, int], dict[str, int]]]:
    """Users of one fold acted on different sets of boards: sum per board instead, so that each is written once."""
    merged: dict[tuple[PeriodId, ...], tuple[dict[str, int], dict[str, int]]] = {}
    for boards, (points, at) in groups.items():
        for board in boards:
            board_points, board_at = merged.setdefault((board,), ({}, {}))
            for user, sum_ in points.items():
                board_points[user] = board_points.get(user, 0) + sum_
                board_at[user] = max(at[user], board_at.get(user, 0))
    return merged
