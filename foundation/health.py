"""Readiness as position, not liveness: ready means that the position advances or that nothing is left to do."""

from dataclasses import dataclass, replace
from typing import Final

STALLED_AFTER_S: Final = 10.0
"""Longer than any pause that Kafka's client makes on its own (metadata, broker restart), below an alarm's minute."""


@dataclass(frozen=True, slots=True)
class ProgressHealth:
    """Health of something that follows a position. Pure: feed it observations, ask it at a time."""

    position: int | None = None
    moved_at_s: float = 0.0
    lag: int | None = None

    def observe(self, *, position: int, lag: int, now_s: float) -> "ProgressHealth":
        """After a look at the position (any number that grows with progress) and at what is left."""
        moved = position != self.position or lag == 0
        return replace(self, position=position, lag=lag, moved_at_s=now_s if moved else self.moved_at_s)

    def is_ready(self, now_s: float, *, stalled_after_s: float = STALLED_AFTER_S) -> bool:
        """Whether something was observed, and moved or was complete lately."""
        return self.position is not None and now_s - self.moved_at_s < stalled_after_s
