"""Which of a deployment's shards still run: a plan may have taken out what one had. The map in Postgres says so."""

from dataclasses import dataclass

from contracts.exit_codes import ExitCode
from contracts.moves import StoredMap
from shardboard.command_error import CommandError


@dataclass(frozen=True, slots=True)
class ShardsOfMap:
    """What is known before the servers run."""

    known: tuple[str, ...] = ()
    """The shards of the last run; the others are new."""
    asked: int | None = None
    """--shards."""

    def left(self, names: tuple[str, ...], stored: StoredMap | None) -> tuple[str, ...]:
        """The shards to run: without those that have left the map. Raises CommandError when that are not as many as
        were asked for."""
        if stored is not None and stored.map is not None:
            there = {entry.shard for entry in stored.shards}
            names = tuple(name for name in names if name in there or name not in self.known)
        if self.asked is not None and self.asked < len(names):
            raise CommandError(
                ExitCode.REFUSED,
                f"--shards {self.asked}: {', '.join(names)} have partitions, or may get some. Take some of them out "
                "first: `shardboard up`, then `shardboard rebalance plan remove` and `apply`",
            )
        return names
