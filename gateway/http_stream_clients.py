"""The open streams of one board, and the way a change reaches them all: written to each connection that has nothing
left to send, as one bytes object; the others get the newest from their own task, when theirs is ready again.

Through an ASGI server's `send` and a task per stream a change costs three times as much."""

import asyncio
from collections import OrderedDict
from typing import Final

from contracts.ids import PeriodId
from gateway.board_query import BoardQuery
from gateway.stream_state import Cursor, Frame, Trail

TOLD_AT_ONCE: Final = 256
"""Clients in one go, some 2 ms: other requests get their turn before the next ones."""


class Client:
    """One open stream. Its request's task sends what cannot be written at once; the topic wakes it."""

    __slots__ = ("cursor", "is_gone", "transport", "waiter")

    def __init__(self, transport: asyncio.WriteTransport | None) -> None:
        """`transport`: the connection under the chunked answer; without it everything goes through the task."""
        self.cursor = Cursor()
        self.is_gone = False
        self.transport = transport
        self.waiter: asyncio.Future[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Its task waits for something to send, so that nothing of it is on its way."""
        return self.waiter is not None and not self.waiter.done()

    def wake(self) -> None:
        """There may be something to send."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def is_ready(self) -> bool:
        """Whether what is written now leaves at once: its connection lives, and all before was taken from it."""
        transport = self.transport
        return transport is not None and transport.get_write_buffer_size() == 0 and not transport.is_closing()


class Topic:
    """One period as asked for, the frame that its clients should have, and the clients. A client that is told goes to
    the end of the line: whatever the rate of changes, none is passed over twice."""

    def __init__(self, query: BoardQuery, board: PeriodId, *, frame: Frame, beat: bytes) -> None:
        self.query = query
        self.board = board
        self.frame = frame
        self.beat = beat
        self.trail = Trail(frame)
        self._clients: OrderedDict[Client, None] = OrderedDict()
        self._untold = 0
        self._is_telling = False
        self._piece = self._chunk = b""
        """What was framed last: nearly always what the next client needs."""

    def __len__(self) -> int:
        return len(self._clients)

    def add(self, client: Client) -> None:
        """It follows from now on."""
        self._clients[client] = None

    def remove(self, client: Client) -> None:
        """No more; may be called twice."""
        self._clients.pop(client, None)

    def show(self, frame: Frame) -> None:
        """A newer frame, which all are told."""
        self.frame = frame
        self.trail.add(frame)
        self._tell_all()

    def show_life(self) -> None:
        """All are told that the stream lives, with the next board if one comes first."""
        for client in self._clients:
            client.cursor.owes_beat = True
        self._tell_all()

    def wake_all(self) -> None:
        """Each task looks for itself."""
        for client in self._clients:
            client.wake()

    def tell(self, client: Client) -> None:
        """Write what the client is to have, if its task is idle and its connection takes it; else its task sends."""
        if not client.is_idle:
            return
        if client.transport is None or not client.is_ready():
            client.wake()
            return
        piece = client.cursor.take(self.frame, self.beat, trail=self.trail)
        if piece is not None:
            if piece is not self._piece:
                self._piece, self._chunk = piece, b"%x\r\n%b\r\n" % (len(piece), piece)
            client.transport.write(self._chunk)

    def _tell_all(self) -> None:
        self._untold = len(self._clients)
        if not self._is_telling:
            self._is_telling = True
            self._tell_some()

    def _tell_some(self) -> None:
        count = min(self._untold, len(self._clients), TOLD_AT_ONCE)
        for _ in range(count):
            client = next(iter(self._clients))
            self._clients.move_to_end(client)
            self.tell(client)
        self._untold -= count
        self._is_telling = count == TOLD_AT_ONCE and self._untold > 0
        if self._is_telling:
            asyncio.get_running_loop().call_soon(self._tell_some)
