"""How far readers of a live stream are behind: from when changes were published and what each reader saw when. Pure."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from bench.results import percentile


class Published(msgspec.Struct, frozen=True, array_like=True):
    """One change. Times are of the machine's monotonic clock, which all processes share."""

    version: int
    at_s: float


class Lag(msgspec.Struct, frozen=True):
    """Over all pairs of a reader and a change, in ms from when the change was published."""

    p50_ms: float
    """Until the reader had it, or a newer one."""
    p99_ms: float
    behind_p99_ms: float
    """Until the reader was at most one change behind."""
    max_ms: float
    missed: int
    """Readers that never got the last change."""


def lag_of(published: Sequence[Published], readers: Iterable[Sequence[tuple[int, float]]]) -> Lag:
    """`readers`: what each saw, oldest first, as (version, when). At least two changes."""
    had, nearly, missed = list[float](), list[float](), 0
    for seen in readers:
        waited = list(waits_s(published, seen))
        had += waited
        missed += len(waited) < len(published)
        nearly += waits_s(published, seen, behind=1)
    had.sort()
    nearly.sort()
    p50, p99, longest = (1_000 * percentile(had, share) if had else 0.0 for share in (0.5, 0.99, 1.0))
    return Lag(p50, p99, 1_000 * percentile(nearly, 0.99) if nearly else 0.0, longest, missed)


def waits_s(published: Sequence[Published], seen: Sequence[tuple[int, float]], *, behind: int = 0) -> Iterator[float]:
    """For each change, how long it took until the reader had it, or one at most `behind` changes older. It ends where
    the reader never got so far."""
    arrivals = iter(seen)
    version, at_s = -1, 0.0
    for n in range(behind, len(published)):
        while version < published[n - behind].version:
            arrival = next(arrivals, None)
            if arrival is None:
                return
            version, at_s = arrival
        yield max(0.0, at_s - published[n].at_s)
