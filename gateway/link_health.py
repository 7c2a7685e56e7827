"""Whether Kafka takes what the gateway sends, judged from acknowledgements and missed deadlines. Pure."""

from dataclasses import dataclass, replace
from typing import Final

NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """Times on the monotonic clock, in s."""

    acked_at_s: float = NEVER
    """When Kafka last said anything good: an acknowledgement, or a new producer that connected."""
    missed_sent_at_s: float = NEVER
    """When the newest batch was sent of those that missed their deadline."""
    rebuild_asked_at_s: float = NEVER

    def acked(self, now_s: float) -> "LinkHealth":
        """A batch was acknowledged, or a producer connected."""
        return LinkHealth(now_s, self.missed_sent_at_s, self.rebuild_asked_at_s)  # once per batch: replace() is slow

    def missed(self, sent_at_s: float) -> "LinkHealth":
        """A batch sent at `sent_at_s` passed its deadline without an answer."""
        return replace(self, missed_sent_at_s=max(self.missed_sent_at_s, sent_at_s))

    def rebuild_asked(self, now_s: float) -> "LinkHealth":
        """A replacement for the producer is being made."""
        return replace(self, rebuild_asked_at_s=now_s)

    @property
    def is_down(self) -> bool:
        """A batch was lost sight of, and nothing at all was acknowledged since it was sent: refuse at once, because
        waiting for the deadline would only gather connections."""
        return self.acked_at_s < self.missed_sent_at_s

    def is_idle(self, now_s: float, *, after_s: float) -> bool:
        """Nothing was heard for so long: ask Kafka whether it is there."""
        return now_s - self.acked_at_s >= after_s

    def should_rebuild(self, now_s: float, *, stuck_partitions: int, every_s: float) -> bool:
        """Whether to make a new producer now. An idempotent one retries a lost batch for ever, behind which every
        later action of that partition would wait."""
        return stuck_partitions > 0 and now_s - self.rebuild_asked_at_s >= every_s
