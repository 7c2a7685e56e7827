"""The life of one supervised process as a machine: which states it has, and when it is started again. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.exit_codes import ExitCode

DELAYS_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Before a start again. Doubling spares a machine that many processes return to; half a minute is what an operator
who has just repaired the cause will wait."""
HEALTHY_S: Final = 60.0
"""Up for so long, an end is a new incident: it starts with the shortest delay again."""


FINAL_CODES: Final = (ExitCode.REFUSED, ExitCode.USAGE)
"""It refused its settings or its surroundings: the next start would do the same."""


class State(StrEnum):
    """Where a supervised process stands."""

    STARTING = "starting"
    UP = "up"
    WAITING = "waiting"
    """It ended and is started again after its delay."""
    REFUSED = "refused"
    """It ended because starting again cannot help."""
    STOPPED = "stopped"


MOVES: Final = {
    State.STARTING: (State.UP, State.WAITING, State.REFUSED, State.STOPPED),
    State.UP: (State.WAITING, State.REFUSED, State.STOPPED),
    State.WAITING: (State.STARTING, State.STOPPED),
    State.REFUSED: (State.STOPPED,),
    State.STOPPED: (),
}


@dataclass(frozen=True, slots=True)
class Life:
    """One process, over all its starts."""

    state: State = State.STARTING
    restarts: int = 0
    ends_in_a_row: int = 0
    """Ends since it was last healthy."""
    reason: str = ""
    """Why it ended last."""

    @property
    def delay_s(self) -> float:
        """How long to wait before the next start."""
        return DELAYS_S[min(max(self.ends_in_a_row - 1, 0), len(DELAYS_S) - 1)]

    def ready(self) -> "Life":
        """It serves."""
        return self._move(State.UP)

    def ended(self, *, exit_code: int | None, up_s: float, reason: str) -> "Life":
        """The process is gone after having served `up_s`; the exit code is None when it is not known."""
        state = State.REFUSED if exit_code in FINAL_CODES else State.WAITING
        in_a_row = 1 if up_s >= HEALTHY_S else self.ends_in_a_row + 1
        return replace(self._move(state), ends_in_a_row=in_a_row, reason=reason)

    def started_again(self) -> "Life":
        """The delay has passed and it is being started."""
        return replace(self._move(State.STARTING), restarts=self.restarts + 1)

    def stopped(self) -> "Life":
        """`up` ends it."""
        return self if self.state is State.STOPPED else self._move(State.STOPPED)

    def _move(self, state: State) -> "Life":
        assert state in MOVES[self.state], (self, state)
        return replace(self, state=state)


def start_verdict(lives: dict[str, Life], *, tries: int) -> tuple[str, ...] | None:
    """While processes start together: None to go on waiting, () when all serve, else the names of those that will not.

    One that refused will not, nor one that ended `tries` times without ever serving.
    """
    lost = tuple(
        name
        for name, life in lives.items()
        if life.state in (State.REFUSED, State.STOPPED) or (life.state is State.WAITING and life.ends_in_a_row >= tries)
    )
    if lost:
        return lost
    return () if all(life.state is State.UP for life in lives.values()) else None
