"""Thousands of readers of a live stream in one process that costs little: `python -m bench.fanout_clients`, driven.

No HTTP client: each piece that arrives is searched for the versions of boards, and that is all."""

import select
import socket
import sys
from time import monotonic
from typing import Final

import msgspec

from bench.driven import answer_line
from bench.fanout_lag import Lag, Published, lag_of

OPENED_AT_ONCE: Final = 128
"""Fewer than a server lets wait to be accepted."""
OPEN_S: Final = 30.0
DRAIN_S: Final = 5.0
READ_BYTES: Final = 16 * 1024
EVENTS_MAX: Final = 1_024
_ID: Final = b"\nid: "
END: Final = b"\n\n\r\n"
"""Where an event and its chunk end."""


class Open(msgspec.Struct, frozen=True, tag=True):
    """Connect so many readers; answered by Opened once each has the state."""

    host: str
    port: int
    path: str
    clients: int


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Forget what was seen; answered by Begun."""


class Finish(msgspec.Struct, frozen=True, tag=True):
    """These were published since; answered by Found, once every reader has the last one or time is over."""

    published: list[Published]


class Opened(msgspec.Struct, frozen=True):
    """What they first got."""

    version: int
    event: bytes
    """As it was on the wire."""


class Begun(msgspec.Struct, frozen=True):
    """From now on it counts."""


class Found(msgspec.Struct, frozen=True):
    """What all of them got."""

    deliveries: int
    lag: Lag


class Reader:
    """One open stream."""

    __slots__ = ("half", "seen", "socket")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.half = b""
        self.seen: list[tuple[int, float]] = []


class Readers:
    """All of them. `open` is called once."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._by_fd: dict[int, Reader] = {}
        self._deliveries = 0
        self._last = b""

    def open(self, told: Open) -> Opened:
        """Some at a time, so that none waits to be let in. Raises OSError, TimeoutError."""
        request = f"GET {told.path} HTTP/1.1\r\nHost: {told.host}:{told.port}\r\n\r\n".encode()
        for first in range(0, told.clients, OPENED_AT_ONCE):
            new = [
                self._connect(told.host, told.port, request=request)
                for _ in range(min(OPENED_AT_ONCE, told.clients - first))
            ]
            deadline = monotonic() + OPEN_S
            while not all(reader.seen for reader in new):
                if monotonic() > deadline:
                    raise TimeoutError(f"a stream of {first + len(new)} had no state after {OPEN_S:g} s")
                self.read(1.0)
        before = self._last.rfind(END, 0, len(self._last) - len(END))
        return Opened(new[-1].seen[-1][0], self._last[before + len(END) :])

    def begin(self) -> Begun:
        """Count anew."""
        self._deliveries = 0
        for reader in self._by_fd.values():
            reader.seen.clear()
        return Begun()

    def finish(self, published: list[Published]) -> Found:
        """Wait for the last change, and say how it was."""
        deadline, last = monotonic() + DRAIN_S, published[-1].version
        readers = list(self._by_fd.values())
        while monotonic() < deadline and not all(r.seen and r.seen[-1][0] >= last for r in readers):
            self.read(0.02)
        return Found(self._deliveries, lag_of(published, (reader.seen for reader in readers)))

    def read(self, wait_s: float) -> bool:
        """Read what is there; whether something is on stdin. Raises ConnectionError when a stream ended."""
        is_told = False
        for fd, _ in self._epoll.poll(wait_s, EVENTS_MAX):
            if fd == sys.stdin.fileno():
                is_told = True
                continue
            self._read(self._by_fd[fd])
        return is_told

    def listen(self) -> None:
        """Also wake when something is told."""
        self._epoll.register(sys.stdin.fileno(), select.EPOLLIN)

    def _connect(self, host: str, port: int, *, request: bytes) -> Reader:
        connection = socket.create_connection((host, port), timeout=OPEN_S)
        connection.sendall(request)
        connection.setblocking(False)
        self._epoll.register(connection.fileno(), select.EPOLLIN)
        reader = self._by_fd[connection.fileno()] = Reader(connection)
        return reader

    def _read(self, reader: Reader) -> None:
        data = reader.socket.recv(READ_BYTES)
        at_s = monotonic()
        if not data:
            raise ConnectionError("a stream ended")
        if reader.half:
            data, reader.half = reader.half + data, b""
        if not data.endswith(END):
            whole = data.rfind(END) + len(END)
            if whole < len(END):
                reader.half = data
                return
            data, reader.half = data[:whole], data[whole:]
        at = data.rfind(_ID)
        if at >= 0:
            begin = at + len(_ID)
            reader.seen.append((int(data[begin : data.index(b"\n", begin)]), at_s))
            self._deliveries += data.count(_ID)
            self._last = data


def main() -> int:
    """The process."""
    readers = Readers()
    readers.listen()
    decoder = msgspec.json.Decoder(Open | Begin | Finish)
    while True:
        if not readers.read(1.0):
            continue
        line = sys.stdin.buffer.readline()
        if not line:
            return 0
        match decoder.decode(line):
            case Open() as told:
                answer_line(readers.open(told))
            case Begin():
                answer_line(readers.begin())
            case Finish(published):
                answer_line(readers.finish(published))


if __name__ == "__main__":
    sys.exit(main())
