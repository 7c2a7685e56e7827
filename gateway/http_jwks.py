"""Keeps the keys of a JWK Set up to date: a file, or the address that an OpenID provider publishes them at.

The set is read again every some minutes, and when a token names a key that is not in it, which is how a provider's new
key is noticed. While the provider is away, the last good set stays."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp

from contracts.clock import monotonic_s
from contracts.metric_names import JWKS_AGE_SECONDS
from foundation.logs import get_log
from foundation.metrics import Metrics
from gateway.http_token_keys import BadKeys, KeySet, keys_of_jwks

BYTES_MAX: Final = 256 * 1024
"""A hundred times what providers publish."""
TIMEOUT_S: Final = 3.0
"""For the whole request. A token with a new key waits for it."""
RETRY_S: Final = 2.0
"""While no set could be read at all."""
RENEW_EVERY_S: Final = 10.0
"""Least distance between two readings on behalf of tokens: made-up `kid`s cost the provider no more than that."""


class KeysAway(Exception):
    """The set cannot be read now; the message says why."""


class JwksKeeper:
    """Reads one set, again and again. One task runs `run`; any request may await `renew`."""

    def __init__(
        self, source: str, metrics: Metrics, *, algorithms: tuple[str, ...], refresh_s: float,
        on_keys: Callable[[KeySet], None],
    ) -> None:  # fmt: skip
        """`on_keys` gets every set that was read, whether it changed or not."""
        self._source = source
        self._algorithms = algorithms
        self._refresh_s = refresh_s
        self._on_keys = on_keys
        self._read_at_s: float | None = None
        self._asked_at_s = float("-inf")
        self._wake = asyncio.Event()
        self._waiting: asyncio.Future[None] | None = None
        self._failed = ""
        metrics.gauge(JWKS_AGE_SECONDS).set_function(self._age_s)

    async def run(self) -> None:
        """Read now and from then on. Ends only by being cancelled."""
        while True:
            self._wake.clear()
            await self._read()
            if self._waiting is not None:
                self._waiting.set_result(None)
                self._waiting = None
            try:
                async with asyncio.timeout(RETRY_S if self._read_at_s is None else self._refresh_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def renew(self) -> None:
        """Read the set because a token names an unknown key. Returns at once when that was done a moment ago."""
        if self._waiting is None:
            if monotonic_s() - self._asked_at_s < RENEW_EVERY_S:
                return
            self._asked_at_s = monotonic_s()
            self._waiting = asyncio.get_running_loop().create_future()
            self._wake.set()
        await asyncio.shield(self._waiting)

    async def _read(self) -> None:
        try:
            keys = keys_of_jwks(await read_document(self._source), self._algorithms)
        except (KeysAway, BadKeys) as error:
            if self._failed != str(error):
                get_log().warning("jwks_unusable", source=self._source, reason=str(error))
            self._failed = str(error)
            return
        if self._failed or self._read_at_s is None:
            get_log().info("jwks_read", source=self._source, keys=len(keys))
        self._failed = ""
        self._read_at_s = monotonic_s()
        self._on_keys(keys)

    def _age_s(self) -> float:
        return float("inf") if self._read_at_s is None else monotonic_s() - self._read_at_s


async def read_document(source: str) -> bytes:
    """What stands in the file, or at the address. Raises KeysAway."""
    if not source.startswith(("http://", "https://")):
        return _read_file(Path(source))
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http,
            # A redirect would leave the address that the operator trusts.
            http.get(source, allow_redirects=False, headers={"Accept": "application/json"}) as response,
        ):
            if response.status != 200:
                raise KeysAway(f"answered {response.status}")
            return await _bounded(response.content)
    except TimeoutError as error:
        raise KeysAway(f"did not answer within {TIMEOUT_S:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise KeysAway(f"cannot be reached: {type(error).__name__}") from error


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    found = bytearray()
    async for piece in content.iter_any():
        found += piece
        if len(found) > BYTES_MAX:
            raise KeysAway(f"has more than {BYTES_MAX} bytes")
    return bytes(found)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise KeysAway(f"cannot be read: {error.strerror or error}") from error
    if len(found) > BYTES_MAX:
        raise KeysAway(f"has more than {BYTES_MAX} bytes")
    return found
