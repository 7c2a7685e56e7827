"""Cursors of pages: a place in one board's order, signed, so that nobody asks for places that no page named. Pure.

Any gateway reads what another made: the key comes from the deployment's secret."""

import base64
import hmac
from typing import Final

import msgspec

from contracts.ids import PeriodId, UserId
from gateway.board_walk import Mark

LIFE_MS: Final = 24 * 3_600_000
"""A page that was left open yesterday begins anew. The place itself would still be good."""
CURSOR_CHARS_MAX: Final = 512
"""A user id of 128 bytes and a period fit."""
_SIGNATURE_BYTES: Final = 16
_VERSION: Final = 1


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page goes on."""

    period: PeriodId
    score: int
    scored_at: int
    user_id: UserId
    is_back: bool
    """Towards the best."""
    expires_ms: int
    v: int = _VERSION

    @property
    def mark(self) -> Mark:
        """The place."""
        return Mark(self.score, self.scored_at, self.user_id)


class BadCursor(ValueError):
    """Not a cursor of ours, or one whose time is over; the message says which."""


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Cursor)


class CursorSigner:
    """Writes and reads cursors."""

    def __init__(self, secret: str) -> None:
        self._key = b""
        self.use(secret)

    def use(self, secret: str) -> None:
        """Sign with this secret from now on; cursors of another are refused."""
        self._key = hmac.digest(secret.encode(), b"shardboard cursor", "sha256")

    def write(self, cursor: Cursor) -> str:
        """The cursor as text that fits into a query as it is."""
        body = _encode(cursor)
        return base64.urlsafe_b64encode(self._signature(body) + body).rstrip(b"=").decode()

    def read(self, text: str, *, now_ms: int) -> Cursor:
        """Read what `write` made. Raises BadCursor."""
        try:
            data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError as error:
            raise BadCursor("is not a cursor") from error
        signature, body = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
        if len(text) > CURSOR_CHARS_MAX or not hmac.compare_digest(signature, self._signature(body)):
            raise BadCursor("is not a cursor of this deployment")
        try:
            cursor = _decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise BadCursor("is a cursor of another version") from error
        if cursor.v != _VERSION:
            raise BadCursor("is a cursor of another version")
        if now_ms >= cursor.expires_ms:
            raise BadCursor("has expired: begin anew")
        return cursor

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_SIGNATURE_BYTES]
