"""Connections to Redis or Valkey with the bounds that the protocol needs: no silent retries, no endless waits."""

from typing import Final

from redis.asyncio import Redis

CONNECT_TIMEOUT_S: Final = 2.0
SOCKET_TIMEOUT_S: Final = 5.0
"""Longest wait for one reply. An apply call of a full batch takes some 100 ms."""
CONNECTIONS_MAX: Final = 16


def connect(url: str, *, socket_timeout_s: float = SOCKET_TIMEOUT_S, connections_max: int = CONNECTIONS_MAX) -> Redis:
    """A client of its own, replies as bytes, RESP3. It connects at the first command.

    Retries are off: a call whose reply was lost may have been carried out, and only the caller knows what that means.
    A caller that is cancelled while a reply is under way leaves no reply behind: redis-py drops that connection.
    """
    return Redis.from_url(
        url,
        protocol=3,
        retry=None,
        socket_timeout=socket_timeout_s,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        max_connections=connections_max,
        health_check_interval=0,
    )
