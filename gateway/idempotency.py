"""The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): one key, one request, one answer. Pure.

Two nets, one under the other: the store keeps the answer for `window_ms`; and the action's id is made from the key, so
that even a second run is a repeat that the log's readers drop. Neither knows the other's state."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from uuid import UUID

import msgspec

from contracts.ids import UserId
from contracts.problems import (
    IDEMPOTENCY_CONFLICT,
    IDEMPOTENCY_MISMATCH,
    IDEMPOTENCY_UNAVAILABLE,
    INVALID_FIELD,
)
from contracts.tokens import SCOPE_MODERATE
from gateway.problem import Problem
from gateway.token_rules import Caller

KEY_CHARS_MAX: Final = 255
RUNNING_MS: Final = 30_000
"""A request that has not ended by then never will: its gateway died. It may run again. Six produce deadlines."""
_DIGEST_BYTES: Final = 16
_QUOTED_PATTERN: Final = r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"'
"""A string of RFC 9651 (structured fields)."""
_BARE_PATTERN: Final = r"[!#-+\--~]{1,255}"
"""As most clients write it: visible ASCII without quotes and commas."""
KEY_PATTERN: Final = f"^({_QUOTED_PATTERN}|{_BARE_PATTERN})$"
_QUOTED: Final = re.compile(_QUOTED_PATTERN.encode())
_BARE: Final = re.compile(_BARE_PATTERN.encode())
_RETRY: Final = ((b"retry-after", b"1"),)


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """One request with a key, of one caller."""

    caller: UserId
    key: str
    digest: bytes
    """Of what is asked for: path and body."""

    @property
    def place(self) -> str:
        """Where the store keeps it: a caller's keys are its own."""
        return self._hash(b"idempotency place").hex()

    @property
    def action_id(self) -> UUID:
        """The id of what it does, whenever and however often it runs."""
        return _uuid8(self._hash(b"idempotency id"))

    def _hash(self, use: bytes) -> bytes:
        caller = self.caller.encode()
        text = len(caller).to_bytes(4, "big") + caller + self.key.encode()
        return blake2b(text, digest_size=_DIGEST_BYTES, person=use[:16]).digest()


class Remembered(msgspec.Struct, frozen=True, array_like=True):
    """What the store holds of a key: first that it is running, then its answer."""

    digest: bytes
    run: bytes
    """Random: whose run it is."""
    status: int = 0
    """0: still running."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Remembered)


def encode(remembered: Remembered) -> bytes:
    """As the store holds it."""
    return _encoder.encode(remembered)


def parse_key(caller: UserId, header: bytes, *, path: str, body: bytes) -> KeyedRequest | Problem:
    """The request by its header's value."""
    quoted = _QUOTED.fullmatch(header)
    if quoted is not None:
        key = re.sub(rb"\\(.)", rb"\1", quoted[1])
    elif _BARE.fullmatch(header):
        key = header
    else:
        return Problem(
            INVALID_FIELD, f"Idempotency-Key must be one string of 1 to {KEY_CHARS_MAX} visible ASCII characters."
        )
    digest = blake2b(path.encode() + b"\0" + body, digest_size=_DIGEST_BYTES).digest()
    return KeyedRequest(caller, key.decode("ascii"), digest)


def earlier_answer(stored: bytes, request: KeyedRequest) -> Remembered | Problem:
    """What a key that is there already means for this request."""
    try:
        earlier = _decoder.decode(stored)
    except msgspec.MsgspecError:
        return unavailable()
    if earlier.digest != request.digest:
        return Problem(IDEMPOTENCY_MISMATCH, "This Idempotency-Key was used with another body or another path.")
    if earlier.status == 0:
        return Problem(IDEMPOTENCY_CONFLICT, "A request with this Idempotency-Key is still running.", headers=_RETRY)
    return earlier


def is_final(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the request is done; if not, the key is free again, and the id of what it does stays the same.

    An answer that says when to ask again is none to be repeated."""
    return status < 500 and all(name != b"retry-after" for name, _ in headers)


def needs_store(caller: Caller) -> bool:
    """Whether the key protects this caller only through the store: an action's id is its user's own, so that a key
    whose bodies name different users would not be noticed."""
    return caller.may_write_any or SCOPE_MODERATE in caller.scopes


def unavailable() -> Problem:
    """For callers who need the store."""
    return Problem(
        IDEMPOTENCY_UNAVAILABLE,
        "The memory of idempotency keys is away, nothing was done. Retry, or send an action_id without the header.",
        headers=_RETRY,
    )


def _uuid8(digest: bytes) -> UUID:
    """A UUID of version 8 (RFC 9562 §5.8): the version for ids that are made from something."""
    number = int.from_bytes(digest, "big")
    number = number & ~(0xF << 76) | 8 << 76
    return UUID(int=number & ~(0b11 << 62) | 0b10 << 62)
