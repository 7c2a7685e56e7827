"""Reads requests and answers out of the bytes of a connection, just far enough to name them. Pure, one per connection.

`requests` and `replies` are fed in the order in which bytes pass; `under_way` is what was asked and not answered.
"""

import re
from collections import deque
from typing import Final, Protocol

_COMMAND: Final = re.compile(rb"\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n(?:\$\d+\r\n([A-Za-z_]\w+)\r\n)?")
_KAFKA_NAMES: Final = {0: "produce", 1: "fetch", 2: "list offsets", 8: "offset commit"}
_RAW: Final = b"SET raw_next = q.next"
_SCORES: Final = b"SET scores_next ="
_TLS_REQUEST: Final = b"\0\0\0\x08\x04\xd2\x16\x2f"


class Wire(Protocol):
    """One connection's reader."""

    @property
    def under_way(self) -> frozenset[str]:
        """Labels of what was asked and is not answered."""

    def requests(self, data: bytes) -> list[str]:
        """Bytes from the client; labels of what begins in them."""

    def replies(self, data: bytes) -> list[str]:
        """Bytes from the server; labels of what is answered by them."""


class RedisWire:
    """Commands by name, functions by their own. The first byte after a request answers all of it: our clients write a
    pipeline at once, and wait for the whole answer."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._asked: list[str] = []

    @property
    def under_way(self) -> frozenset[str]:
        return frozenset(self._asked)

    def requests(self, data: bytes) -> list[str]:
        found = []
        for match in _COMMAND.finditer(data):
            name = match[1].upper()
            said = match[2] if name == b"FCALL" and match[2] else name
            found.append(f"{self._server}:{said.decode()}")
        self._asked += found
        return found

    def replies(self, data: bytes) -> list[str]:  # noqa: ARG002  the first byte is enough
        answered, self._asked = self._asked, []
        return answered


class _Frames:
    """Splits a stream into messages whose length stands in their head; keeps the first `head` bytes of each body."""

    def __init__(self, *, type_bytes: int, keep: int) -> None:
        self._type_bytes = type_bytes
        self._keep = keep
        self._head = b""
        self._body = b""
        self._missing = 0

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The messages that end in `data`: (type, first bytes of the body)."""
        ended: list[tuple[bytes, bytes]] = []
        size = self._type_bytes + 4
        while data:
            if self._missing == 0:
                part = size - len(self._head)
                self._head, data = self._head + data[:part], data[part:]
                if len(self._head) < size:
                    break
                length = int.from_bytes(self._head[self._type_bytes :], "big")
                self._missing, self._body = length - (4 if self._type_bytes else 0), b""
            took, data = data[: self._missing], data[self._missing :]
            self._missing -= len(took)
            self._body += took[: max(0, self._keep - len(self._body))]
            if self._missing == 0:
                ended.append((self._head[: self._type_bytes], self._body))
                self._head = b""
        return ended


class KafkaWire:
    """Requests by their api key; a broker answers those of a connection in order."""

    def __init__(self) -> None:
        self._asked: deque[str] = deque()
        self._out = _Frames(type_bytes=0, keep=2)
        self._in = _Frames(type_bytes=0, keep=0)

    @property
    def under_way(self) -> frozenset[str]:
        return frozenset(self._asked)

    def requests(self, data: bytes) -> list[str]:
        found = []
        for _, head in self._out.feed(data):
            key = int.from_bytes(head, "big")
            found.append(f"kafka:{_KAFKA_NAMES.get(key, key)}")
        self._asked += found
        return found

    def replies(self, data: bytes) -> list[str]:
        return [self._asked.popleft() for _ in self._in.feed(data) if self._asked]


class PostgresWire:
    """The archiver's transactions: which one is open, from its first own statement to its end."""

    def __init__(self) -> None:
        self._statements: dict[bytes, str] = {}
        self._out = _Frames(type_bytes=1, keep=512)
        self._in = _Frames(type_bytes=1, keep=1)
        self._has_started = False
        self._is_asked_for_tls = False
        self._label: str | None = None

    @property
    def under_way(self) -> frozenset[str]:
        return frozenset([self._label] if self._label else [])

    def requests(self, data: bytes) -> list[str]:
        if data == _TLS_REQUEST:
            self._is_asked_for_tls = True
            return []
        if not self._has_started:  # the first message has no type
            self._has_started = True
            data = data[int.from_bytes(data[:4], "big") :]
        found = []
        for kind, body in self._out.feed(data):
            label = self._label_of(kind, body)
            if label is not None and label != self._label:
                self._label = label
                found.append(label)
        return found

    def replies(self, data: bytes) -> list[str]:
        if self._is_asked_for_tls:  # one letter, which is no message
            self._is_asked_for_tls, data = False, data[1:]
        answered = []
        for kind, body in self._in.feed(data):
            if kind == b"Z" and body == b"I" and self._label is not None:
                answered.append(self._label)
                self._label = None
        return answered

    def _label_of(self, kind: bytes, body: bytes) -> str | None:
        if kind == b"P":
            name, _, sql = body.partition(b"\0")
            label = "postgres:raw" if _RAW in sql else "postgres:scores" if _SCORES in sql else None
            if label is not None:
                self._statements[name] = label
            return None
        if kind == b"B":
            return self._statements.get(body.partition(b"\0")[2].partition(b"\0")[0])
        if kind == b"Q" and body.startswith(b"COMMIT") and self._label is not None:
            return "postgres:commit"
        return None


class HttpWire:
    """Requests to a gateway; a live stream stays under way as long as it is open."""

    def __init__(self) -> None:
        self._asked: list[str] = []

    @property
    def under_way(self) -> frozenset[str]:
        return frozenset(self._asked)

    def requests(self, data: bytes) -> list[str]:
        found = []
        if data.startswith(b"POST "):
            found.append("http:post")
        elif data.startswith(b"GET "):
            found.append("http:get")
        self._asked += found
        return found

    def replies(self, data: bytes) -> list[str]:  # noqa: ARG002  the first byte is enough
        answered, self._asked = self._asked, []
        return answered
