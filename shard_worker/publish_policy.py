"""When the shard's top is published: at once when it changed and nothing is in flight, else coalesced. Pure."""

from dataclasses import dataclass, replace
from typing import Final

PUBLISH_INTERVAL_S: Final = 0.002
"""Least time between two publications: a viewer sees nothing of it, and a burst costs the cache 500 writes a second."""
HEARTBEAT_S: Final = 1.0
"""A shard that says nothing for longer counts as away; positions travel with it."""


@dataclass(frozen=True, slots=True)
class PublishPolicy:
    """State of publishing; each method returns the next one. Times are monotonic seconds."""

    interval_s: float = PUBLISH_INTERVAL_S
    heartbeat_s: float = HEARTBEAT_S
    is_changed: bool = False
    is_in_flight: bool = False
    last_s: float = float("-inf")

    def changed(self) -> "PublishPolicy":
        """Rows to be shown changed."""
        return replace(self, is_changed=True)

    def started(self, now_s: float) -> "PublishPolicy":
        """A publication of the newest state began."""
        return replace(self, is_changed=False, is_in_flight=True, last_s=now_s)

    def ended(self, *, succeeded: bool) -> "PublishPolicy":
        """It ended; a failed one is to be done again with what is newest then."""
        return replace(self, is_in_flight=False, is_changed=self.is_changed or not succeeded)

    def due_in_s(self, now_s: float) -> float | None:
        """How long to wait before publishing: 0 = now, None = not before the one in flight has ended."""
        if self.is_in_flight:
            return None
        wait_s = self.interval_s if self.is_changed else self.heartbeat_s
        return max(0.0, self.last_s + wait_s - now_s)
