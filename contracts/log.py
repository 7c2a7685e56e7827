"""The log as its readers see it: a partition's records, and from where to where it holds any."""

from dataclasses import dataclass
from typing import Protocol

from contracts.ids import Offset


class Appended(Protocol):
    """A record as Kafka returns it."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """When Kafka appended it (LogAppendTime), in unix ms."""
        ...

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class LogBounds:
    """What the log holds of a partition at the moment: [begin, end)."""

    begin: Offset
    end: Offset
