"""Counts a file of actions by brute force, to hold the engine's boards against: `python -m bench.oracle FILE`.

Written apart from the engine: nothing comes from contracts/, so that a mistake there cannot agree with itself. A file
does not say who reached a score first. So a top is compared by ranks and scores place by place, and its users by what
each one scored: any order among equals is right, and of equals that the top cuts, any may be shown.
"""

import argparse
import gzip
import json
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

FAULTS_SHOWN_MAX = 20
_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


@dataclass(frozen=True, slots=True)
class Happened:
    """One accepted action: whose, its points, and the UTC day that it counts for."""

    user_id: str
    points: int
    day: date


@dataclass(frozen=True, slots=True)
class Place:
    """One row of a board."""

    rank: int
    user_id: str
    score: int


def read_points(path: Path) -> dict[str, int]:
    """Points of each action in the catalogue file."""
    with path.open("rb") as file:
        return {name: int(entry["points"]) for name, entry in tomllib.load(file)["actions"].items()}


def read_actions(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers from 1, and actions."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, json.loads(line)


def happened(
    actions: Iterable[tuple[int, dict[str, Any]]],
    points: Mapping[str, int],
    *,
    day_of: Callable[[int, dict[str, Any]], date],
    accepted: Collection[int] | None = None,
) -> Iterator[Happened]:
    """What counts: accepted lines (None means all), and of lines with the same user and action id only the first."""
    seen: set[tuple[str, str]] = set()
    for number, action in actions:
        if accepted is not None and number not in accepted:
            continue
        action_id = action.get("action_id")
        if action_id is not None:
            identity = (action["user_id"], action_id)
            if identity in seen:
                continue
            seen.add(identity)
        yield Happened(action["user_id"], points[action["action"]], day_of(number, action))


def day_of_timestamp(_: int, action: Mapping[str, Any]) -> date:
    """The UTC day that the action itself names (`--timestamps keep`)."""
    return datetime.fromisoformat(action["timestamp"]).astimezone(UTC).date()


def period_names(day: date) -> tuple[str, str, str, str]:
    """The boards that a day belongs to, of every kind."""
    year, week = iso_week(day.year, day.month, day=day.day)
    return (
        "all_time",
        f"daily:{day.year:04}-{day.month:02}-{day.day:02}",
        f"weekly:{year:04}-W{week:02}",
        f"monthly:{day.year:04}-{day.month:02}",
    )


def iso_week(year: int, month: int, *, day: int) -> tuple[int, int]:
    """ISO 8601 year and week: a week belongs to the year that holds its Thursday."""
    ordinal = _day_number(year, month, day=day)
    thursday = ordinal - (ordinal - 1) % 7 + 3
    while thursday < _day_number(year, 1, day=1):
        year -= 1
    while thursday >= _day_number(year + 1, 1, day=1):
        year += 1
    return year, (thursday - _day_number(year, 1, day=1)) // 7 + 1


def _day_number(year: int, month: int, *, day: int) -> int:
    """Days since 0000-12-31 of the Gregorian calendar: 0001-01-01, a Monday, is 1."""
    before = year - 1
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    leap_day = 1 if is_leap and month > 2 else 0
    return before * 365 + before // 4 - before // 100 + before // 400 + _DAYS_BEFORE_MONTH[month - 1] + leap_day + day


def count_scores(actions: Iterable[Happened]) -> dict[str, dict[str, int]]:
    """Score of every user, by period."""
    scores: dict[str, Counter[str]] = defaultdict(Counter)
    for action in actions:
        for period in period_names(action.day):
            scores[period][action.user_id] += action.points
    return {period: dict(of_users) for period, of_users in scores.items()}


def top_places(scores: Mapping[str, int], count: int | None = None) -> list[Place]:
    """The best `count` (all if None) with rank = 1 + how many users have more; equals by user id, as only here."""
    users_with = Counter(scores.values())
    rank_of: dict[int, int] = {}
    above = 0
    for score in sorted(users_with, reverse=True):
        rank_of[score] = above + 1
        above += users_with[score]
    ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0].encode()))[:count]
    return [Place(rank_of[score], user, score) for user, score in ordered]


def top_faults(shown: Sequence[Place], scores: Mapping[str, int], *, count: int) -> list[str]:
    """Every way in which a shown top differs from the counted scores; empty if it is right."""
    wanted = top_places(scores, count)
    faults = []
    if len(shown) != len(wanted):
        faults.append(f"{len(shown)} rows, not {len(wanted)}")
    for place, (row, right) in enumerate(zip(shown, wanted, strict=False), start=1):
        if (row.rank, row.score) != (right.rank, right.score):
            faults.append(f"row {place}: rank {row.rank} with {row.score}, not rank {right.rank} with {right.score}")
    users = [row.user_id for row in shown]
    faults += [f"{user!r} is shown {times} times" for user, times in Counter(users).items() if times > 1]
    for row in shown:
        # The length and the scores are compared above: so a group that is not cut is complete if all of it belong.
        if scores.get(row.user_id) != row.score:
            faults.append(f"{row.user_id!r} is shown with {row.score}, not {scores.get(row.user_id)}")
    return faults


def score_faults(shown: Mapping[str, int], scores: Mapping[str, int]) -> list[str]:
    """Every user whose shown score differs from the counted one."""
    return [
        f"{user!r}: {shown.get(user)}, not {scores.get(user)}"
        for user in sorted(shown.keys() | scores.keys())
        if shown.get(user) != scores.get(user)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a period's scores as NDJSON, best first, or compare them with such a file; 0 equal, 1 different."""
    parser = argparse.ArgumentParser(prog="python -m bench.oracle", description=main.__doc__)
    parser.add_argument("file", type=Path, help="NDJSON of actions, plain or .gz")
    parser.add_argument("--period", default="all_time", help="all_time, daily:2026-11-24, weekly:2026-W48, …")
    parser.add_argument("--actions", type=Path, default=Path("actions.toml"), help="the catalogue")
    parser.add_argument("--received", type=date.fromisoformat, help="UTC day of all actions; default: each one's own")
    parser.add_argument("--top", type=int, help="only the best N")
    parser.add_argument("--compare", type=Path, help="output of `shardboard scores --output ndjson`")
    chosen = parser.parse_args(arguments)
    received: date | None = chosen.received
    day_of = day_of_timestamp if received is None else lambda _number, _action: received
    points = read_points(chosen.actions)
    scores = count_scores(happened(read_actions(chosen.file), points, day_of=day_of)).get(chosen.period, {})
    if chosen.compare is None:
        for place in top_places(scores, chosen.top):
            row = {"rank": place.rank, "user_id": place.user_id, "score": place.score}
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        return 0
    shown = {row["user_id"]: row["score"] for _, row in read_actions(chosen.compare)}
    faults = score_faults(shown, scores)
    for fault in faults[:FAULTS_SHOWN_MAX]:
        sys.stdout.write(fault + "\n")
    sys.stdout.write(f"{len(scores):,} users, {len(faults):,} different\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
