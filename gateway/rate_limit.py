"""How often somebody may ask: the generic cell rate algorithm, one number for each asker. Pure; memory is bounded.

A limit holds for one gateway process: it protects the service. What may never be exceeded are caps and cooldowns, which
travel in the record and are judged where all actions of a user pass (contracts/counting.py)."""

import math
import re
from dataclasses import dataclass
from typing import Final

from contracts.problems import RATE_LIMITED
from gateway.problem import Problem

PER_S_MAX: Final = 1_000_000
_RATE: Final = re.compile(r"([0-9]{1,7})/s(?: burst ([0-9]{1,7}))?")


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` requests at once, and `per_s` from then on; 0 per s is unlimited."""

    per_s: int
    burst: int


def parse_rate(text: str) -> Rate:
    """Read `50/s`, `50/s burst 250`, `0`. Without a burst it is one second's worth. Raises ValueError."""
    if text.strip() == "0":
        return Rate(0, 0)
    found = _RATE.fullmatch(text.strip())
    if found is None or not 1 <= int(found[1]) <= PER_S_MAX or (found[2] is not None and int(found[2]) < 1):
        raise ValueError(f"must be 0, N/s or N/s burst M, with N from 1 to {PER_S_MAX} and M at least 1")
    return Rate(int(found[1]), int(found[2] or found[1]))


class RateLimiter:
    """Askers of one kind. One owner; `now_s` is monotonic."""

    def __init__(self, name: str, rate: Rate, *, askers_max: int) -> None:
        """`askers_max` askers are remembered at least, twice as many at most; those not seen for longest are forgotten,
        and forgetting one is to its favour."""
        self._name = name
        self._rate = rate
        self._interval_s = 1 / rate.per_s if rate.per_s else 0.0
        self._ahead_s = self._interval_s * (rate.burst - 1)
        self._askers_max = askers_max
        self._recent: dict[object, float] = {}
        """When the asker will have been quiet long enough to have its whole burst again."""
        self._older: dict[object, float] = {}

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    @property
    def is_unlimited(self) -> bool:
        """Whether nobody is ever refused."""
        return not self._interval_s

    def wait_s(self, asker: object, now_s: float) -> float:
        """0 when the asker may ask now, which is then noted; else in how many seconds it may."""
        full_at_s = self._recent.get(asker)
        if full_at_s is None:
            full_at_s = self._older.get(asker, now_s)
        if full_at_s < now_s:
            full_at_s = now_s
        wait_s = full_at_s - now_s - self._ahead_s
        if wait_s > 0:
            return wait_s
        if len(self._recent) >= self._askers_max:
            self._older, self._recent = self._recent, {}
        self._recent[asker] = full_at_s + self._interval_s
        return 0.0

    def refusal(self, asker: object, now_s: float) -> Problem | None:
        """The 429 with what a client needs to know to keep within the limit, or None when it may ask."""
        if self.is_unlimited:
            return None
        wait_s = self.wait_s(asker, now_s)
        return self._refused(wait_s) if wait_s else None

    def _refused(self, wait_s: float) -> Problem:
        rate, name, wait = self._rate, self._name, max(1, math.ceil(wait_s))
        window_s = max(1, round(rate.burst * self._interval_s))
        return Problem(
            RATE_LIMITED,
            f"At most {rate.burst} requests at once and {rate.per_s} per second per {name}; wait {wait} s.",
            headers=(
                (b"retry-after", b"%d" % wait),
                # draft-ietf-httpapi-ratelimit-headers: quota and window; what remains and when there is more.
                (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name.encode(), rate.burst, window_s)),
                (b"ratelimit", b'"%b";r=0;t=%d' % (name.encode(), wait)),
            ),
        )
