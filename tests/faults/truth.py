"""What the log says, read and counted apart from the engine: plain JSON, each (user, id) once. Pure.

The harness's clients send an id again only while it is surely remembered, so that here no window is needed: a second
record of the same id must never count, wherever it stands.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from bench.oracle import period_names


class LogRecord(NamedTuple):
    """One record as Kafka gave it."""

    partition: int
    offset: int
    append_ms: int
    value: bytes


@dataclass(slots=True)
class Truth:
    """What must stand everywhere."""

    scores: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By period and user."""
    scored_at: dict[tuple[str, str], int] = field(default_factory=dict)
    """By (period, user): log time of the last counted action."""
    place_of: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """By (user, id): partition and offset of the first record."""
    points_of: dict[tuple[str, str], int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    """By partition: the next offset."""
    records: int = 0
    repeats: int = 0
    later_places: dict[tuple[str, str], set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    points: Counter[int] = field(default_factory=Counter)
    """By partition: all that counted."""
    counted: Counter[int] = field(default_factory=Counter)
    """By partition: the number of actions that counted."""
    _log_ms: dict[int, int] = field(default_factory=dict)

    def read(self, record: LogRecord, *, kinds: Iterable[str]) -> None:
        """The next record of its partition."""
        document = json.loads(record.value)
        log_ms = max(self._log_ms.get(record.partition, 0), record.append_ms)
        self._log_ms[record.partition] = log_ms
        self.ends[record.partition] = record.offset + 1
        self.records += 1
        user, key = document["user_id"], (document["user_id"], document["id"])
        if key in self.place_of:
            self.repeats += 1
            self.later_places[key].add((record.partition, record.offset))
            return
        self.place_of[key] = (record.partition, record.offset)
        points = self.points_of[key] = document["points"]
        self.points[record.partition] += points
        self.counted[record.partition] += 1
        day = datetime.fromtimestamp(document["at"] / 1000, UTC).date()
        for period in period_names(day):
            if period.partition(":")[0] in kinds:
                self.scores[period][user] += points
                self.scored_at[(period, user)] = log_ms


class Sent(NamedTuple):
    """One action of the ledger."""

    user_id: str
    action_id: str
    points: int
    place: tuple[int, int | None] | None
    """Acknowledged there; None when it was not."""
    may_be_there: bool
    """Whether it may be in the log all the same."""


@dataclass(slots=True)
class LedgerFaults:
    """How ledger and log differ."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged, and not in the log."""
    phantom: list[str] = field(default_factory=list)
    """In the log, and never sent, or refused, or with other points."""
    misplaced: list[str] = field(default_factory=list)
    """Acknowledged with a place where something else stands."""
    unknown_recorded: int = 0
    unknown_absent: int = 0


def compare_ledger(sent: Iterable[Sent], truth: Truth) -> LedgerFaults:
    """Every action of the ledger against the log, and back."""
    faults, known = LedgerFaults(), set()
    for act in sent:
        key = (act.user_id, act.action_id)
        known.add(key)
        place = truth.place_of.get(key)
        if place is None:
            if act.place is not None:
                faults.lost.append(f"{act.action_id} of {act.user_id!r}, acknowledged at {act.place}")
            elif act.may_be_there:
                faults.unknown_absent += 1
            continue
        if act.place is None:
            faults.unknown_recorded += act.may_be_there
            if not act.may_be_there:
                faults.phantom.append(f"{act.action_id} of {act.user_id!r} was refused and stands at {place}")
        elif act.place[1] is not None and act.place not in ({place} | truth.later_places.get(key, set())):
            faults.misplaced.append(f"{act.action_id} of {act.user_id!r}: told {act.place}, stands at {place}")
        if truth.points_of[key] != act.points:
            faults.phantom.append(f"{act.action_id} has {truth.points_of[key]} points, not {act.points}")
    faults.phantom += [f"{key[1]} of {key[0]!r} was never sent" for key in truth.place_of if key not in known]
    return faults


@dataclass(slots=True)
class ScoreFaults:
    """Users whose score somewhere differs from the log's."""

    lost: list[str] = field(default_factory=list)
    """Fewer points than the log has."""
    doubled: list[str] = field(default_factory=list)
    """More."""
    dated: list[str] = field(default_factory=list)
    """Another time of scoring, which decides ties."""


Cells = Mapping[tuple[str, str], tuple[int, int]]
"""(period, user) → score and time of scoring."""


def compare_scores(where: str, cells: Cells, *, truth: Truth) -> ScoreFaults:
    """Every user on every board."""
    faults = ScoreFaults()
    wanted = {(period, user): score for period, users in truth.scores.items() for user, score in users.items()}
    for key in sorted(wanted.keys() | cells.keys()):
        score, at = cells.get(key, (0, truth.scored_at.get(key, 0)))
        right = wanted.get(key, 0)
        said = f"{where}: {key[1]!r} on {key[0]} has {score}, not {right}"
        if score < right:
            faults.lost.append(said)
        elif score > right:
            faults.doubled.append(said)
        elif at != truth.scored_at[key]:
            faults.dated.append(f"{where}: {key[1]!r} on {key[0]} scored at {at}, not {truth.scored_at[key]}")
    return faults
