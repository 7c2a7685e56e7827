"""A TCP proxy in front of one server: it names what passes, and can hold, reset or swallow it.

`tap` is asked for every piece before it is passed on, in the same turn of the event loop: a signal that it sends to a
process comes before the bytes arrive.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol, cast

from tests.faults.wire import Wire

LOOPBACK: Final = "127.0.0.1"
_LINGER_NONE: Final = struct.pack("ii", 1, 0)
"""Close with a reset instead of an orderly end."""


class Verdict(Enum):
    """What becomes of a piece."""

    PASS = "pass"
    HOLD = "hold"
    """Kept, with all that follows it in the same direction, until the link is released."""
    DROP = "drop"


class Cut(Enum):
    """What a proxy does to all links, the new ones too."""

    NONE = "none"
    BLACK_HOLE = "black hole"
    HALF_OPEN = "half-open"


class Tap(Protocol):
    """Looks at every piece."""

    def on_request(self, link: "Link", labels: list[str]) -> Verdict:
        """From the client."""

    def on_reply(self, link: "Link", labels: list[str], *, data: bytes) -> Verdict:
        """From the server."""


class Proxy:
    """`start` once, `close` at the end. `upstream_port` may be changed: new links go to the other server."""

    def __init__(self, server: str, *, port: int, upstream_port: int, wire: Callable[[], Wire], tap: Tap) -> None:
        self.server = server
        self.port = port
        self.upstream_port = upstream_port
        self.tap = tap
        self.new_wire = wire
        self.links: set[Link] = set()
        self.cut = Cut.NONE
        self._listening: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: Link(self), LOOPBACK, self.port)

    async def close(self) -> None:
        """Drop everything."""
        if self._listening is not None:
            self._listening.close()
        self.reset()

    def reset(self) -> None:
        """End all links with a reset."""
        for link in list(self.links):
            link.reset()

    def heal(self) -> None:
        """End the cut: what was held in it is lost."""
        self.cut = Cut.NONE
        self.reset()


class Link(asyncio.Protocol):
    """One connection of a client and its other half to the server."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.wire = proxy.new_wire()
        self.peer_port = 0
        self.owner: str | None = None
        """The client's process; None before it is known, and for clients that are none of ours."""
        self.is_owner_known = False
        self.held: list[bytes] = []
        self.is_held = False
        self._client: asyncio.Transport | None = None
        self._upstream: asyncio.Transport | None = None
        self._waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast("asyncio.Transport", transport)
        self.peer_port = self._client.get_extra_info("peername")[1]
        self.proxy.links.add(self)
        task = asyncio.get_running_loop().create_task(self._connect(), name=f"link to {self.proxy.server}")
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _Upstream(self), LOOPBACK, self.proxy.upstream_port)
        except OSError:
            self.reset()

    def upstream_made(self, transport: asyncio.Transport) -> None:
        if self._client is None:
            transport.abort()
            return
        self._upstream = transport
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            transport.write(data)

    def data_received(self, data: bytes) -> None:
        labels = self.wire.requests(data)
        if self.proxy.cut is Cut.BLACK_HOLE:
            return
        verdict = self.proxy.tap.on_request(self, labels)
        if self.is_held or verdict is Verdict.HOLD:
            self.is_held = True
            self.held.append(data)
        elif verdict is Verdict.PASS:
            self._to_server(data)

    def reply_received(self, data: bytes) -> None:
        labels = self.wire.replies(data)
        if self.proxy.cut is not Cut.NONE:
            return
        verdict = self.proxy.tap.on_reply(self, labels, data=data)
        if verdict is Verdict.PASS and self._client is not None:
            self._client.write(data)

    def release(self) -> None:
        """Pass on what was held."""
        held, self.held = self.held, []
        self.is_held = False
        for data in held:
            self._to_server(data)

    def reset(self) -> None:
        """End both halves with a reset; may be called twice."""
        for transport in (self._client, self._upstream):
            if transport is not None:
                with contextlib.suppress(OSError):
                    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
                transport.abort()
        self._forget()

    @property
    def is_open(self) -> bool:
        """Whether the client is still there."""
        return self._client is not None

    def eof_received(self) -> bool:
        if self._upstream is not None and not self.is_held:
            self._upstream.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The client is gone. What it has sent still reaches the server, as it would without us."""
        self._client = None
        if self._upstream is not None and not self.is_held:
            self._upstream.close()
        if not self.is_held:
            self._forget()

    def upstream_lost(self) -> None:
        self._upstream = None
        if self._client is not None and self.proxy.cut is not Cut.BLACK_HOLE:
            self._client.close()
        self._forget()

    def pause_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        if self._upstream is not None and not self._upstream.is_closing():
            self._upstream.resume_reading()

    def pause_client(self, *, paused: bool) -> None:
        """The server reads slowly: so do we."""
        if self._client is not None and not self._client.is_closing():
            (self._client.pause_reading if paused else self._client.resume_reading)()

    def _to_server(self, data: bytes) -> None:
        if self._upstream is not None:
            self._upstream.write(data)
        else:
            self._waiting.append(data)

    def _forget(self) -> None:
        self.proxy.links.discard(self)
        self._client = self._upstream = None


class _Upstream(asyncio.Protocol):
    """The half towards the server."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link.upstream_made(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self._link.reply_received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._link.upstream_lost()

    def pause_writing(self) -> None:
        self._link.pause_client(paused=True)

    def resume_writing(self) -> None:
        self._link.pause_client(paused=False)
