"""From bytes of the log to rows of the archive: decodes, asks what must be looked up, judges by `contracts.counting`,
and makes the rows. Pure; the archiver's hot loop."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from archiver.counted_memory import CountedMemory, UserAction
from archiver.score_fold import Counted, ScoreFold, points_at_most
from contracts.counting import CountingRules, Outcome, advance_log_ms, judge, window_of
from contracts.identity import id16_of
from contracts.ids import Id16, LogMs
from contracts.log import Appended
from contracts.record import ActionRecord, BadRecord, Limits, Record, decode

DEAD: Final = "dead"
COUNTED: Final = Outcome.COUNTED.value
OUT_OF_BOUNDS: Final = "the score would reach 2^53"
COLUMNS: Final = (
    *("partition", "log_offset", "log_ms", "outcome", "kind", "id16", "user_id", "action_id", "action", "points"),
    *("at_ms", "received_ms", "name", "cap_per_day", "cooldown_ms", "keep_until", "reason", "record"),
)
"""Of a row, in the order of `Judged.rows`."""
_OUTCOME: Final = COLUMNS.index("outcome")


class Entry(NamedTuple):
    """A record of the log, decoded; without `record` it is dead, and `reason` says why."""

    offset: int
    log_ms: LogMs
    value: bytes | None
    record: Record | None
    id16: Id16 | None
    reason: str | None


@dataclass(slots=True)
class Judged:
    """What becomes of the entries of one partition."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)


def decode_log(records: Sequence[Appended], log_ms: LogMs) -> list[Entry]:
    """Decode what comes after `log_ms` in a partition. Log time goes on with every record, bad ones too."""
    entries: list[Entry] = []
    for record in records:
        log_ms, value = advance_log_ms(log_ms, record.timestamp), record.value
        try:
            decoded = decode(value)
        except BadRecord as bad:
            entries.append(Entry(record.offset, log_ms, value, None, None, str(bad)))
            continue
        entries.append(Entry(record.offset, log_ms, value, decoded, id16_of(decoded.user_id, decoded.id), None))
    return entries


def ids_of(entries: Sequence[Entry]) -> set[Id16]:
    """The ids whose past must be looked up."""
    return {entry.id16 for entry in entries if entry.id16 is not None}


def limits_of(entries: Sequence[Entry]) -> set[UserAction]:
    """The limits whose use must be looked up."""
    return {
        (entry.record.user_id, entry.record.action)
        for entry in entries
        if isinstance(entry.record, ActionRecord) and entry.record.limits is not None
    }


def seen_since_ms(entries: Sequence[Entry], rules: CountingRules) -> int:
    """Ids that counted before this log time cannot make any of the entries a repeat."""
    return (window_of(entries[0].log_ms, rules) - 1) * rules.window_ms


def points_bound(entries: Sequence[Entry]) -> int:
    """No score moves by more than this in all of the entries."""
    return sum(points_at_most(entry.record) for entry in entries if entry.record is not None)


def judge_log(
    partition: int, entries: Sequence[Entry], *, memory: CountedMemory, rules: CountingRules, book: ScoreFold | None
) -> Judged:
    """Judge in log order; `memory` goes along. `book` holds every user's state when scores come near their bounds."""
    judged = Judged()
    for entry in entries:
        record, id16 = entry.record, entry.id16
        outcome, reason = DEAD, entry.reason
        if record is not None and id16 is not None:
            if book is None and memory.knows_nothing_of(record, id16):
                outcome = COUNTED  # what `judge` would say, at a third of its cost: nearly every record is such a one
                memory.seen[id16] = window_of(entry.log_ms, rules)
                judged.counted.append(Counted(entry.offset, entry.log_ms, id16, record))
            else:
                item = Counted(entry.offset, entry.log_ms, id16, record)
                outcome, reason = _judge_one(item, judged, memory=memory, rules=rules, book=book)
        judged.rows.append(_row(partition, entry, outcome=outcome, reason=reason))
    judged.outcomes.update(row[_OUTCOME] for row in judged.rows)
    return judged


def _judge_one(
    item: Counted, judged: Judged, *, memory: CountedMemory, rules: CountingRules, book: ScoreFold | None
) -> tuple[str, str | None]:
    """The outcome of a record that may count and, when it is dead, why."""
    memory.move_to(item.log_ms)
    verdict = judge(item.record, item.id16, log_ms=item.log_ms, before=memory, rules=rules)
    if verdict is Outcome.COUNTED:
        if book is not None and not book.try_add(item):
            return DEAD, OUT_OF_BOUNDS
        memory.remember(item.record, item.id16, log_ms=item.log_ms, rules=rules)
        judged.counted.append(item)
    return verdict.value, None


def storable(text: str | None) -> str | None:
    """The text as Postgres can hold it: without NUL."""
    return text.replace("\0", "\ufffd") if text is not None and "\0" in text else text


def record_of_row(row: Any) -> Record:
    """The record of a row that is not dead, exactly as it stands in the log."""
    if row["record"] is not None:
        return decode(row["record"])
    cap, cooldown = row["cap_per_day"], row["cooldown_ms"]
    return ActionRecord(
        v=1,
        id=row["action_id"],
        user_id=row["user_id"],
        received_at=row["received_ms"],
        action=row["action"],
        points=row["points"],
        at=row["at_ms"],
        name=row["name"],
        limits=None if cap is None and cooldown is None else Limits(cap, cooldown),
        keep_until=row["keep_until"],
    )


def _row(partition: int, entry: Entry, *, outcome: str, reason: str | None) -> tuple[Any, ...]:
    record = entry.record
    if record is None:
        return (partition, entry.offset, entry.log_ms, outcome, *[None] * 12, storable(reason), None)
    if not isinstance(record, ActionRecord):
        kind = type(record).__name__.removesuffix("Record").lower()
        ids = (kind, entry.id16, record.user_id, storable(record.id), None, None, None, record.received_at)
        return (partition, entry.offset, entry.log_ms, outcome, *ids, *[None] * 4, reason, entry.value)
    limits = record.limits
    cap, cooldown = (None, None) if limits is None else (limits.cap_per_day, limits.cooldown_ms)
    texts = record.id + record.action + (record.name or "")
    is_exact = "\0" not in texts and (limits is None or cap is not None or cooldown is not None)
    return (
        partition, entry.offset, entry.log_ms, outcome, "action", entry.id16, record.user_id, storable(record.id),
        storable(record.action), record.points, record.at, record.received_at, storable(record.name), cap, cooldown,
        record.keep_until, reason, None if is_exact else entry.value,
    )  # fmt: skip
