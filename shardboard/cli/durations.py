"""Reads durations and rates as people type them on the command line: `90s`, `15m`, `1h`, `500/s`."""

import re
from typing import Final

_DURATION = re.compile(r"(\d+)([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_RATE = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?")
RATE_MAX: Final = 1_000_000.0


def parse_duration_s(text: str) -> int:
    """Whole seconds of `90`, `90s`, `15m`, `1h` or `7d`. Raises ValueError with the rule."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 90s, 15m, 1h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def parse_rate_per_s(text: str) -> float | None:
    """Actions per second of `500/s` or `500`; None for `max`. Raises ValueError with the rule."""
    if text.strip() == "max":
        return None
    match = _RATE.fullmatch(text.strip())
    if match is None or not 0 < float(match[1]) <= RATE_MAX:
        raise ValueError(f"{text!r} is not a rate such as 500/s, nor max")
    return float(match[1])
