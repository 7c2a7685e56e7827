"""HTTP/1.1 to the gateway over keep-alive connections, one request at a time each: POST /actions and nothing else.

asyncio streams with httptools' parser: about 40 µs per request, where aiohttp's client takes some 250 µs.
"""

import asyncio
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

from contracts.tokens import TOKEN_BYTES_MAX
from shardboard.replay.plan import Answer, NoAnswer

CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 10.0
"""Twice the gateway's own deadline for an action."""
ANSWER_BYTES_MAX: Final = 64 * 1024
"""A receipt or a problem document is below 2 KiB; more is not our gateway."""
RETRY_AFTER_MAX_S: Final = 60.0
_PATH: Final = "/actions"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the gateway listens."""

    host: str
    port: int
    is_tls: bool
    path: str

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address that actions are sent to."""
        return f"{'https' if self.is_tls else 'http'}://{self.authority}{self.path}"


def parse_endpoint(url: str) -> Endpoint:
    """Read the gateway's base address. Raises ValueError that states the rule."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} must be http://host:port or https://host:port")
    if parts.username or parts.query or parts.fragment:
        raise ValueError(f"{url!r} must not have user, query or fragment")
    is_tls = parts.scheme == "https"
    return Endpoint(parts.hostname, parts.port or (443 if is_tls else 80), is_tls, parts.path.rstrip("/") + _PATH)


def token_fault(token: str) -> str | None:
    """Say why this cannot stand in a header, or None."""
    if not token.isascii() or not token.isprintable() or " " in token:
        return "holds characters that no token has"
    return f"is longer than {TOKEN_BYTES_MAX} bytes" if len(token) > TOKEN_BYTES_MAX else None


@lru_cache(maxsize=64)  # the demo has a token per user
def request_head(endpoint: Endpoint, token: str) -> bytes:
    """Everything of a request up to the value of Content-Length. The token is one without `token_fault`."""
    return (
        f"POST {endpoint.path} HTTP/1.1\r\nHost: {endpoint.authority}\r\nUser-Agent: shardboard\r\n"
        f"Accept: application/json, application/problem+json\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: "
    ).encode()


class GatewayConnection:
    """One connection, opened when needed and again after any failure. One caller at a time; `close` at the end."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._tls = ssl.create_default_context() if endpoint.is_tls else None
        self._protocol: _AnswerProtocol | None = None

    async def post(self, head: bytes, body: bytes) -> Answer | NoAnswer:
        """Send one action. Never raises for what the network or the other side does."""
        try:
            protocol = await self._connected()
        except (OSError, TimeoutError) as error:
            return NoAnswer(f"cannot connect to {self._endpoint.authority}: {error or 'timed out'}")
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await protocol.ask(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        except (TimeoutError, OSError, httptools.HttpParserError) as error:
            self.close()
            text = str(error) or f"no answer within {ANSWER_TIMEOUT_S:.0f} s"
            return NoAnswer(text)
        except BaseException:
            self.close()
            raise
        if not protocol.can_be_reused:
            self.close()
        return answer

    def close(self) -> None:
        """Close; may be called twice, and the next `post` opens again."""
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None

    async def _connected(self) -> "_AnswerProtocol":
        if self._protocol is not None and self._protocol.can_be_reused:
            return self._protocol
        self.close()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, self._protocol = await loop.create_connection(
                lambda: _AnswerProtocol(loop), self._endpoint.host, self._endpoint.port, ssl=self._tls
            )
        return self._protocol


class _AnswerProtocol(asyncio.Protocol):
    """Parses the answers of one connection; its `on_…` methods are httptools' callbacks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.can_be_reused = False
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[Answer] | None = None
        self._parts: list[bytes] = []
        self._bytes = 0
        self._retry_after_s: float | None = None

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        """Send the request. The future fails with OSError or HttpParserError; cancel it only together with `close`."""
        assert self._waiting is None, "one request at a time"
        if self._transport is None or not self.can_be_reused:
            raise ConnectionResetError("the connection was closed before the request was sent")
        self._waiting = self._loop.create_future()
        self._parts.clear()
        self._bytes = 0
        self._retry_after_s = None
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        """Drop the connection at once."""
        self.can_be_reused = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not derive from it
        self.can_be_reused = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionResetError("the connection was closed before an answer came"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after_s = _retry_after_s(value)

    def on_body(self, body: bytes) -> None:
        self._bytes += len(body)
        if self._bytes > ANSWER_BYTES_MAX:
            self._fail(ConnectionAbortedError(f"an answer above {ANSWER_BYTES_MAX} bytes"))
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer; the real one follows
            return
        self.can_be_reused = self.can_be_reused and self._parser.should_keep_alive()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(Answer(status, b"".join(self._parts), self._retry_after_s))
        else:
            self.close()  # an answer that nobody asked for
        self._waiting = None

    def _fail(self, error: Exception) -> None:
        self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self._waiting = None


def _retry_after_s(value: bytes) -> float | None:
    """Seconds of a Retry-After header, bounded; a date is not read: our gateway sends seconds."""
    try:
        return min(float(int(value)), RETRY_AFTER_MAX_S) if int(value) >= 0 else None
    except ValueError:
        return None
