"""Which shards have fallen silent, and which may be forgotten. Pure: fed with hearings, asked at a time."""

from collections.abc import Collection, Iterable
from typing import Final

from contracts.ids import ShardId

FORGET_AFTER_S: Final = 600.0
"""Longer than any restart of a worker that should come back; its top may go once it speaks for no partition."""


class ShardSilence:
    """When each shard was last heard of. Shards come and go; the configured ones are expected from the start."""

    def __init__(self, configured: Collection[ShardId], *, now_s: float, stale_after_s: float) -> None:
        self._configured = frozenset(configured)
        self._stale_after_s = stale_after_s
        self._started_s = now_s
        self._heard_s: dict[ShardId, float] = {}
        self._stale_before: frozenset[ShardId] = frozenset()

    def on_written(self, stale_shards: Iterable[ShardId]) -> None:
        """The boards in the cache list these as stale: they stay so until they publish."""
        self._stale_before = frozenset(stale_shards)

    def found(self, shard: ShardId, now_s: float) -> None:
        """Its top stood in the cache when the merger came: no proof of life if the boards called it stale."""
        if shard not in self._heard_s:
            silence_s = self._stale_after_s + 1.0 if shard in self._stale_before else 0.0
            self._heard_s[shard] = now_s - silence_s

    def heard(self, shard: ShardId, now_s: float) -> None:
        """The shard published."""
        self._heard_s[shard] = now_s

    def was_deaf(self, seconds: float) -> None:
        """The merger could not hear for so long (cache away, process frozen): that is not the shards' silence."""
        self._started_s += seconds
        self._heard_s = {shard: heard_s + seconds for shard, heard_s in self._heard_s.items()}

    def forget(self, shard: ShardId) -> None:
        """It is gone for good, as far as anybody knows."""
        self._heard_s.pop(shard, None)

    def silence_s(self, now_s: float) -> dict[ShardId, float]:
        """How long each shard that ever published, or should have, has been silent."""
        expected = dict.fromkeys(self._configured, self._started_s) | self._heard_s
        return {shard: max(0.0, now_s - heard_s) for shard, heard_s in expected.items()}

    def silent(self, now_s: float) -> set[ShardId]:
        """The shards without a publication for too long."""
        return {shard for shard, silence_s in self.silence_s(now_s).items() if silence_s > self._stale_after_s}

    def never_heard(self) -> frozenset[ShardId]:
        """Configured shards that have not published at all: nothing is known of their rows."""
        return self._configured - self._heard_s.keys()

    def is_configured(self, shard: ShardId) -> bool:
        """Whether the deployment's settings name it."""
        return shard in self._configured

    def is_warming_up(self, now_s: float) -> bool:
        """Whether a board written now could lack shards that are about to be heard of."""
        return bool(self.never_heard()) and now_s - self._started_s <= self._stale_after_s

    def forgettable(self, now_s: float) -> list[ShardId]:
        """Shards that nobody configured and nobody heard of for long."""
        return [
            shard
            for shard, heard_s in self._heard_s.items()
            if shard not in self._configured and now_s - heard_s > FORGET_AFTER_S
        ]
