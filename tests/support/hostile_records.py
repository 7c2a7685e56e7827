"""Records that no gateway writes, of every kind that a log can hold: made from a good one, seeded."""

import json
import random
from collections.abc import Callable
from typing import Any

GOOD: dict[str, Any] = {
    "kind": "action", "action": "commit", "points": 10, "at": 1_790_000_000_000, "v": 1,
    "id": "9d2b7a52-6f1f-4d0a-9d5f-0c7a4c1b6f3e", "user_id": "eve", "received_at": 1_790_000_000_000,
}  # fmt: skip
WRONG_VALUES: tuple[Any, ...] = (None, True, -1, 1.5, "1", [], {}, 2**63, -(2**63), 1e308, "x" * 300)
FIELDS = ("action", "points", "at", "v", "id", "user_id", "received_at")
BAD_TEXT = (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80")


def hostile_records(count: int, *, seed: int) -> list[bytes | None]:
    """So many values, none of which may count."""
    rng = random.Random(seed)
    kinds: list[Callable[[random.Random], bytes | None]] = [
        _truncated, _wrong_type, _missing, _unknown_field, _bad_utf8, _future_version, _too_large, _not_json, _unkind,
    ]  # fmt: skip
    return [rng.choice(kinds)(rng) for _ in range(count)]


def _good() -> bytes:
    return json.dumps(GOOD).encode()


def _truncated(rng: random.Random) -> bytes:
    return _good()[: rng.randrange(len(_good()))]


def _wrong_type(rng: random.Random) -> bytes:
    field = rng.choice(FIELDS)
    is_fine = {"action": ("1", "x" * 300), "id": ("1",), "user_id": ("1",)}.get(field, ())
    wrong = [value for value in WRONG_VALUES if value not in is_fine or isinstance(value, bool)]
    return json.dumps({**GOOD, field: rng.choice(wrong)}).encode()


def _missing(rng: random.Random) -> bytes:
    left_out = rng.choice(("kind", *FIELDS))
    return json.dumps({name: value for name, value in GOOD.items() if name != left_out}).encode()


def _unknown_field(rng: random.Random) -> bytes:
    return json.dumps({**GOOD, f"field_{rng.randrange(100)}": 1}).encode()


def _bad_utf8(rng: random.Random) -> bytes:
    return _good().replace(b"eve", b"e" + rng.choice(BAD_TEXT) + b"e")


def _future_version(rng: random.Random) -> bytes:
    return json.dumps({**GOOD, "v": rng.randrange(2, 1_000)}).encode()


def _too_large(rng: random.Random) -> bytes:
    field, value = rng.choice((("points", 2**63), ("points", 1_000_001), ("at", 2**63), ("points", 10**400)))
    return json.dumps({**GOOD, field: value}).encode()


def _not_json(rng: random.Random) -> bytes | None:
    return rng.choice((None, b"", b"\0", b"[" * 10_000, rng.randbytes(40), b"NaN", b'"text"', b"null"))


def _unkind(rng: random.Random) -> bytes:
    return json.dumps({**GOOD, "kind": rng.choice(("", "Action", "delete", 1, None))}).encode()
