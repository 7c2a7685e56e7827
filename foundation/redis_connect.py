"""Connections to Redis or Valkey with the bounds that the protocol needs: no silent retries, no endless waits."""

from typing import Any, Final

from redis.asyncio import Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError

CONNECT_TIMEOUT_S: Final = 2.0
SOCKET_TIMEOUT_S: Final = 5.0
"""Longest wait for one reply. An apply call of a full batch takes some 100 ms."""
CONNECTIONS_MAX: Final = 16


def connect(url: str, *, socket_timeout_s: float = SOCKET_TIMEOUT_S, connections_max: int = CONNECTIONS_MAX) -> Redis:
    """A client of its own, replies as bytes, RESP3. It connects at the first command.

    Retries are off: a call whose reply was lost may have been carried out, and only the caller knows what that means.
    A caller that is cancelled while a reply is under way leaves no reply behind: redis-py drops that connection.
    """
    client = Redis.from_url(
        url,
        protocol=3,
        retry=None,
        socket_timeout=socket_timeout_s,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        max_connections=connections_max,
        health_check_interval=0,
    )
    pool = client.connection_pool
    pool.connection_class = _KINDS[pool.connection_class]
    return client


class _ClosedIsLost:
    """Writing to a connection that its peer has closed: uvloop says RuntimeError, where asyncio's own loop says
    nothing and the read fails. Both are a lost connection, and no defect that should end the process."""

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]
        except RuntimeError as error:
            if _UVLOOP_CLOSED not in str(error):
                raise
            raise RedisConnectionError(str(error)) from error


class _Tcp(_ClosedIsLost, Connection):
    pass


class _Tls(_ClosedIsLost, SSLConnection):
    pass


class _Unix(_ClosedIsLost, UnixDomainSocketConnection):
    pass


_UVLOOP_CLOSED: Final = "handler is closed"
_KINDS: Final[dict[type[Any], type[Any]]] = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}
