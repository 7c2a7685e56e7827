"""The least that telling many sockets something costs: a bare loop of `send`. `python -m bench.baselines.write_loop`,
driven. Each reader gets what the gateway's would: one event, as one chunk."""

import socket
import sys
from time import monotonic, sleep
from typing import Final

import msgspec

from bench.driven import answer_line
from bench.fanout_lag import Published

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\ne\r\n: connected\n\n\r\n"
)
REQUEST_BYTES_MAX: Final = 4_096
WAITING_MAX: Final = 1_024


class Listen(msgspec.Struct, frozen=True, tag=True):
    """Take connections somewhere; answered by Listening."""

    event: bytes
    """A chunk, which names its version in decimal digits."""
    version: int


class Accept(msgspec.Struct, frozen=True, tag=True):
    """Let so many in, each with the first event; answered by Wrote once all are."""

    clients: int


class Write(msgspec.Struct, frozen=True, tag=True):
    """So many events to all, at a constant rate; answered by Wrote."""

    changes: int
    per_s: float


class Listening(msgspec.Struct, frozen=True):
    """Where."""

    port: int


class Wrote(msgspec.Struct, frozen=True):
    """What, and when each event's first reader got it."""

    published: list[Published]


class Loop:
    """All connections."""

    def __init__(self, told: Listen) -> None:
        self._event = told.event
        self._old = str(told.version).encode()
        self._version = told.version
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=WAITING_MAX)
        self.port = self._listener.getsockname()[1]

    def accept(self, clients: int) -> Wrote:
        """One after the other."""
        for _ in range(clients):
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.recv(REQUEST_BYTES_MAX)
            connection.sendall(HEAD + self._event)
            self._sockets.append(connection)
        return Wrote([])

    def write(self, told: Write) -> Wrote:
        """A change begins when it is due, or when the one before is written."""
        published, start_s = [], monotonic()
        for number in range(told.changes):
            sleep(max(0.0, start_s + number / told.per_s - monotonic()))
            self._version += 1
            published.append(Published(self._version, monotonic()))
            event = self._event.replace(self._old, b"%d" % self._version)
            for connection in self._sockets:
                connection.send(event)
        return Wrote(published)


def main() -> int:
    """The process."""
    decoder = msgspec.json.Decoder(Listen | Accept | Write)
    loop: Loop | None = None
    for line in sys.stdin.buffer:
        told = decoder.decode(line)
        if isinstance(told, Listen):
            loop = Loop(told)
            answer_line(Listening(loop.port))
        elif loop is not None:
            answer_line(loop.accept(told.clients) if isinstance(told, Accept) else loop.write(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
