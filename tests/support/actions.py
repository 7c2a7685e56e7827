"""Sample actions: real ones from the file that SHARDBOARD_TEST_ACTIONS names, else seeded ones of the same shape.

The real ones are 200,000 actions of 7,126 users, very unevenly spread, in the order of their timestamps."""

import gzip
import itertools
import os
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

SEED = 20231001
USERS = 7_126
ACTION_COUNTS = {"commit": 134_671, "bugfix": 25_924, "docs": 6_483, "merge": 27_993, "release": 4_929}
# Share of the user at rank r ~ (r + SHIFT)^-EXPONENT: gives the first one 5 % of all actions, as in the real sample.
RANK_SHIFT = 9.0
RANK_EXPONENT = 1.45
FIRST_AT = datetime(2023, 10, 1, 15, 15, 37, tzinfo=UTC)
GAP_S_MEAN = 450.0


def sample_actions(n: int) -> list[dict[str, Any]]:
    """The first `n` sample actions, the same ones at every call. Raises ValueError if the file has fewer."""
    path = os.environ.get("SHARDBOARD_TEST_ACTIONS")
    if not path:
        return seeded_actions(n)
    with gzip.open(path, "rb") as lines:
        actions = [msgspec.json.decode(line, type=dict[str, Any]) for line in itertools.islice(lines, n)]
    if len(actions) < n:
        raise ValueError(f"{path} holds {len(actions)} actions, {n} were wanted")
    return actions


def seeded_actions(n: int, *, seed: int = SEED) -> list[dict[str, Any]]:
    """`n` made-up actions, the same ones for the same seed; a longer list starts with the shorter one."""
    rng = random.Random(seed)
    users = [f"u_{rng.getrandbits(48):012x}" for _ in range(USERS)]
    user_weights = list(itertools.accumulate((rank + RANK_SHIFT) ** -RANK_EXPONENT for rank in range(USERS)))
    kinds = list(ACTION_COUNTS)
    kind_weights = list(itertools.accumulate(ACTION_COUNTS.values()))
    at = FIRST_AT
    actions = []
    for _ in range(n):
        at += timedelta(seconds=round(rng.expovariate(1 / GAP_S_MEAN)))
        actions.append(
            {
                "action_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "user_id": rng.choices(users, cum_weights=user_weights)[0],
                "action": rng.choices(kinds, cum_weights=kind_weights)[0],
                "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
    return actions
