"""Connections to Redis or Valkey with the bounds that the protocol needs: no silent retries, no endless waits.

Their URLs say how to be let in: rediss:// for TLS with ssl_ca_certs=/…/ca.pem, and password_file=/run/secrets/redis, so
that the URL itself holds no secret.
"""

import asyncio
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.asyncio import Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as RedisConnectionError

from foundation.env import SECRET_FILE_BYTES_MAX
from foundation.lost_connection import is_lost

CONNECT_TIMEOUT_S: Final = 2.0
SOCKET_TIMEOUT_S: Final = 5.0
"""Longest wait for one reply. An apply call of a full batch takes some 100 ms."""
CONNECTIONS_MAX: Final = 16


def connect(
    url: str,
    *,
    socket_timeout_s: float = SOCKET_TIMEOUT_S,
    connections_max: int = CONNECTIONS_MAX,
    protocol: Literal[2, 3] = 3,
) -> Redis:
    """A client of its own, replies as bytes. It connects at the first command.

    Retries are off: a call whose reply was lost may have been carried out, and only the caller knows what that means.
    A caller that is cancelled while a reply is under way leaves no reply behind: redis-py drops that connection.
    """
    address, credentials = _read_url(url)
    client = Redis.from_url(
        address,
        credential_provider=credentials,
        protocol=protocol,
        retry=None,
        socket_timeout=socket_timeout_s,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        max_connections=connections_max,
        health_check_interval=0,
    )
    pool = client.connection_pool
    pool.connection_class = _KINDS[pool.connection_class]
    return client


class _PasswordFile(CredentialProvider):
    """Reads the password at each new connection: a rotated one needs no restart."""

    def __init__(self, path: Path, username: str | None) -> None:
        self._path = path
        self._username = username

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Raises RedisConnectionError while the file cannot be read."""
        try:
            with self._path.open(encoding="utf-8") as file:
                password = file.read(SECRET_FILE_BYTES_MAX).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RedisConnectionError(f"password_file = {str(self._path)!r} cannot be read: {error}") from error
        return (password,) if self._username is None else (self._username, password)


def _read_url(url: str) -> tuple[str, CredentialProvider | None]:
    """The URL without what redis-py does not know, and where the password comes from."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    path = query.pop("password_file", None)
    if path is None:
        return url, None
    user, _, place = parts.netloc.rpartition("@")
    name = unquote(user.partition(":")[0]) or None
    return parts._replace(netloc=place, query=urlencode(query)).geturl(), _PasswordFile(Path(path), name)


class _Sending:
    """Writing to a connection that its peer has closed is a lost connection on uvloop too. And a cancellation that
    comes while the bytes go out is lost by wait_for of Python 3.11, which redis-py uses: the task would never end."""

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        task = asyncio.current_task()
        cancels = task.cancelling() if task is not None else 0
        try:
            await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]
        except RuntimeError as error:
            if not is_lost(error):
                raise
            raise RedisConnectionError(str(error)) from error
        if task is not None and task.cancelling() > cancels:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # an answer is under way that nobody awaits
            raise asyncio.CancelledError


class _Tcp(_Sending, Connection):
    pass


class _Tls(_Sending, SSLConnection):
    pass


class _Unix(_Sending, UnixDomainSocketConnection):
    pass


_KINDS: Final[dict[type[Any], type[Any]]] = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}
