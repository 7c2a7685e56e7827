"""Short answers of `rebalance` commands as values: docs/schemas/rebalance-{abort,limits,give-up,history}.json. Pure."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from contracts.moves import MapChange, PlanRecord
from shardboard.rebalance.overview import Limits
from shardboard.rebalance.plan_file import content_of


class Aborted(msgspec.Struct, frozen=True, kw_only=True):
    """The partitions whose moves were taken back."""

    partitions: tuple[int, ...]

    @property
    def text(self) -> str:
        """For a person."""
        if not self.partitions:
            return "nothing to do: none of them was on its way, or they had switched already"
        told = ", ".join(map(str, self.partitions))
        return f"{len(self.partitions)} moves taken back, their owners go on: partitions {told}"


class LimitsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What moves may take now."""

    changed: bool
    map_version: int
    limits: Limits

    @property
    def text(self) -> str:
        """For a person."""
        speed = "as fast as it goes" if self.limits.users_per_s_max is None else (
            f"at most {self.limits.users_per_s_max:,} users/s each"
        )  # fmt: skip
        state = "moves are paused: `rebalance resume` goes on" if self.limits.is_paused else "moves go on"
        return f"{state}; {self.limits.moves_at_once} at once, {speed}"


class GivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """A lost shard's leftovers that nobody waits for any more."""

    shard: str
    partitions: tuple[int, ...]


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that was applied."""

    plan: int
    change: str
    state: Literal["running", "done", "aborted", "undone"]
    moves: int
    applied_ms: int
    applied_by: str
    map_version: int
    checksum: str
    undoes: int | None


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the map."""

    version: int
    changed_ms: int
    changed_by: str
    change: dict[str, Any]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Plans and changes, newest first."""

    plans: tuple[PlanRow, ...]
    changes: tuple[ChangeRow, ...]


def history_of(plans: Sequence[PlanRecord], changes: Sequence[MapChange]) -> History:
    """As it is told. `plans` come oldest first, `changes` newest first."""
    return History(plans=tuple(map(_plan_row, reversed(plans))), changes=tuple(map(_change_row, changes)))


def _plan_row(record: PlanRecord) -> PlanRow:
    plan = content_of(record)
    return PlanRow(
        plan=record.plan,
        change=plan.change,
        state=record.state,
        moves=len(plan.moves),
        applied_ms=record.applied_ms,
        applied_by=record.applied_by,
        map_version=record.map_version,
        checksum=record.checksum,
        undoes=plan.undoes,
    )


def _change_row(change: MapChange) -> ChangeRow:
    return ChangeRow(
        version=change.version,
        changed_ms=change.changed_ms,
        changed_by=change.changed_by,
        change=msgspec.json.decode(change.change, type=dict[str, Any]),
    )
