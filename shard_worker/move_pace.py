"""How fast a move may copy: as fast as it goes, slower when an operator says so or when others suffer. Pure.

The partition stands still while it is copied, so that a copy never rests for good: it takes at least a fifth of the
time.
"""

from dataclasses import dataclass, replace
from typing import Final

LAG_S_MAX: Final = 2.0
"""A consumer of this shard that is further behind needs the servers more than the move does."""
LATENCY_MS_MAX: Final = 50.0
"""Of a call of nothing on either server. The move's own pages in flight take some 15 ms."""
REST_MIN: Final = 0.25
REST_MAX: Final = 4.0
"""Rest per time of work, doubled at each look that finds others suffering and halved at each that does not."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a look at the others found."""

    lag_s: float
    latency_ms: float

    @property
    def reason(self) -> str:
        """What is suffering; empty when nothing does."""
        if self.lag_s > LAG_S_MAX:
            return f"yields: this shard's log is {self.lag_s:.1f} s behind"
        if self.latency_ms > LATENCY_MS_MAX:
            return f"yields: a Redis answers after {self.latency_ms:.0f} ms"
        return ""


@dataclass(frozen=True, slots=True)
class Pace:
    """One move's pace. `after` returns the next."""

    rest: float = 0.0
    """Rest per time of work."""
    reason: str = ""
    """Why it rests."""

    def after(self, load: Load) -> "Pace":
        """After a look at the others."""
        if load.reason:
            return replace(self, rest=min(max(2 * self.rest, REST_MIN), REST_MAX), reason=load.reason)
        rest = self.rest / 2 if self.rest > REST_MIN else 0.0
        return replace(self, rest=rest, reason=self.reason if rest else "")

    def rest_s(self, *, worked_s: float, users: float, users_per_s_max: int | None) -> float:
        """How long to rest after so much work, which copied so many users."""
        at_least_s = users / users_per_s_max - worked_s if users_per_s_max else 0.0
        return max(self.rest * worked_s, at_least_s, 0.0)
