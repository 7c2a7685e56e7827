"""Who acts next in the demo, with what, and when. Pure: chance comes from the generator that it is given.

Activity is uneven, as people are: a few do most (Zipf-like), calm stretches alternate with bursts, and in a burst one
person, whoever it is, does most of it. So ranks change all the time, and not only at the bottom.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from contracts.catalogue import CatalogueEntry
from contracts.demo_users import DemoUser

CALM_S_MEAN: Final = 16.0
BURST_S_MEAN: Final = 4.0
CALM_SHARE: Final = 0.5
"""Of the mean rate. With the durations above and the share below the mean is right: (16 × 0.5 + 4 × 3) / 20 = 1."""
BURST_SHARE: Final = 3.0
HOT_PROBABILITY: Final = 0.6
"""In a burst, how often it is the one person that has a good day."""
ZIPF_EXPONENT: Final = 0.9
"""Flatter than real contributions (1.2 and more), so that 24 people stay within reach of one another."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One action to come."""

    wait_s: float
    """After the one before."""
    user: DemoUser
    action: str


class Crowd:
    """An endless stream. One owner."""

    def __init__(
        self,
        users: Sequence[DemoUser],
        catalogue: Mapping[str, CatalogueEntry],
        *,
        rate_per_s: float,
        rng: random.Random,
    ) -> None:
        self._rng = rng
        self._rate_per_s = rate_per_s
        self._users = rng.sample(users, len(users))
        self._user_weights = list(accumulate((rank + 1) ** -ZIPF_EXPONENT for rank in range(len(users))))
        self._actions = list(catalogue)
        # What is worth more happens less often, for any catalogue.
        self._action_weights = list(accumulate(1 / entry.points for entry in catalogue.values()))
        self._hot: DemoUser | None = None
        self._phase_left_s = rng.expovariate(1 / CALM_S_MEAN)

    def next(self) -> Planned:
        """The next action."""
        wait_s = self._wait_s()
        is_hot = self._hot is not None and self._rng.random() < HOT_PROBABILITY
        user = self._hot if is_hot else None
        return Planned(
            wait_s,
            user or self._rng.choices(self._users, cum_weights=self._user_weights)[0],
            self._rng.choices(self._actions, cum_weights=self._action_weights)[0],
        )

    def _wait_s(self) -> float:
        """Exponential waits at the phase's rate; a wait that outlasts its phase goes on at the next one's rate."""
        waited_s = 0.0
        work = self._rng.expovariate(1.0)
        while True:
            rate_per_s = self._rate_per_s * (CALM_SHARE if self._hot is None else BURST_SHARE)
            if work < self._phase_left_s * rate_per_s:
                self._phase_left_s -= work / rate_per_s
                return waited_s + work / rate_per_s
            work -= self._phase_left_s * rate_per_s
            waited_s += self._phase_left_s
            self._change_phase()

    def _change_phase(self) -> None:
        if self._hot is None:
            self._hot = self._rng.choice(self._users)
            self._phase_left_s = self._rng.expovariate(1 / BURST_S_MEAN)
        else:
            self._hot = None
            self._phase_left_s = self._rng.expovariate(1 / CALM_S_MEAN)
