"""Logs of made-up actions for benchmarks: users uniform or by Zipf's law, ids fresh, everything from one seed."""

import gzip
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from contracts.ids import ActionId, Partition, UserId
from contracts.partition_key import partition_of
from contracts.record import ActionRecord, encode

ZIPF: Final[dict[str, float | None]] = {"uniform": None, "zipf 1.0": 1.0, "zipf 1.2": 1.2}
"""Exponents by name; None: all users act equally often."""
SAMPLE: Final = "sample"
"""As often as in a file of real actions."""
PARTITIONS: Final = 8
BEGIN_MS: Final = 1_795_521_600_000
"""2026-11-24 12:00 UTC: the first moment of a window of 15 minutes, so that no window ends while measuring."""
RECORDS_PER_MS: Final = 200
"""Log time goes on as it would at 200,000 actions per second."""
POINTS_MAX: Final = 10


class LogRecord(NamedTuple):
    """A record as Kafka's client returns it, as far as readers look at it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


Poll = dict[Partition, list[LogRecord]]


@dataclass(frozen=True, slots=True)
class People:
    """Who acts: users by rank, each with a partition, and how likely each is to act."""

    users: list[UserId]
    partitions: list[Partition]
    cumulated: "np.ndarray[tuple[int], np.dtype[np.float64]]"

    def of_partition(self, partition: Partition) -> list[UserId]:
        """The users of one partition."""
        return [user for user, p in zip(self.users, self.partitions, strict=True) if p == partition]


def people(count: int, *, zipf: float | None) -> People:
    """`zipf`: the exponent, None for uniform."""
    users = [UserId(f"user-{rank:07d}") for rank in range(count)]
    weights = np.ones(count) if zipf is None else 1.0 / np.arange(1, count + 1) ** zipf
    cumulated = np.cumsum(weights)
    return People(users, [partition_of(user, PARTITIONS) for user in users], cumulated / cumulated[-1])


def people_of(file: Path) -> People:
    """Who acts in a file of actions (plain or .gz), one JSON object with a `user_id` in each line, and how often.

    Raises OSError, msgspec.MsgspecError.
    """
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        counts = Counter(_decode_user(line).user_id for line in lines if line.strip())
    ranked = counts.most_common()
    users, cumulated = [UserId(user) for user, _ in ranked], np.cumsum([float(count) for _, count in ranked])
    return People(users, [partition_of(user, PARTITIONS) for user in users], cumulated / cumulated[-1])


class _Acting(msgspec.Struct):
    user_id: str


_decode_user: Final = msgspec.json.Decoder(_Acting).decode


class LogWriter:
    """Makes one log, poll by poll. Offsets and log time go on from call to call."""

    def __init__(self, acting: People, *, seed: int, begin_ms: int = BEGIN_MS) -> None:
        self._people = acting
        self._begin_ms = begin_ms
        self._rng = np.random.default_rng(seed)
        self._offsets = [0] * PARTITIONS
        self._written = 0

    def polls(self, records: int, *, poll_records: int) -> Iterator[Poll]:
        """The next `records` of the log, as a reader polls them."""
        for first in range(0, records, poll_records):
            yield self._poll(min(poll_records, records - first))

    def _poll(self, records: int) -> Poll:
        poll: Poll = {}
        ranks = self._ranks(records)
        points = self._rng.integers(1, POINTS_MAX, size=records, endpoint=True).tolist()
        ids = self._rng.bytes(16 * records)
        for n, rank in enumerate(ranks):
            at_ms = self._begin_ms + self._written // RECORDS_PER_MS
            user, partition = self._people.users[rank], self._people.partitions[rank]
            action = ActionRecord(
                v=1, id=ActionId(str(uuid.UUID(bytes=ids[16 * n : 16 * n + 16]))), user_id=user, received_at=at_ms,
                action="commit", points=points[n], at=at_ms,
            )  # fmt: skip
            record = LogRecord(self._offsets[partition], at_ms, user.encode(), encode(action))
            poll.setdefault(partition, []).append(record)
            self._offsets[partition] += 1
            self._written += 1
        return poll

    def _ranks(self, records: int) -> list[int]:
        """Who acts next, so many times."""
        ranks: list[int] = np.searchsorted(self._people.cumulated, self._rng.random(records), side="right").tolist()
        return ranks


class InTurnWriter(LogWriter):
    """All users act equally often, in an order drawn once: nobody acts again before everybody has."""

    def __init__(self, acting: People, *, seed: int, begin_ms: int = BEGIN_MS) -> None:
        super().__init__(acting, seed=seed, begin_ms=begin_ms)
        self._order = np.random.default_rng(seed).permutation(len(acting.users))
        self._next = 0

    def _ranks(self, records: int) -> list[int]:
        places = (self._next + np.arange(records)) % len(self._order)
        self._next += records
        ranks: list[int] = self._order[places].tolist()
        return ranks
