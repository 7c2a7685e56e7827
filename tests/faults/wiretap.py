"""Watches all proxies: whose connection each one is, what each process is doing, and the moment a fault waits for.

A process is found by its end of the connection: the socket's inode stands in /proc. So no service needs to say
anything about itself.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.proxy import Link, Proxy, Verdict
from tests.faults.schedule import Edge

Act = Callable[[Link], Verdict]
"""Makes the fault, at once; says what becomes of the piece that was waited for."""


@dataclass(slots=True)
class Aim:
    """What a fault waits for: a request of one client process or to one server."""

    labels: frozenset[str]
    edge: Edge
    act: Act
    hit: "asyncio.Future[Link]"
    client: str | None = None
    server: str | None = None

    def matches(self, link: Link, labels: Iterable[str]) -> bool:
        """Whether this is the moment."""
        if self.hit.done() or not self.labels.intersection(labels):
            return False
        if self.server is not None and link.proxy.server != self.server:
            return False
        return self.client is None or link.owner == self.client


class Wiretap:
    """The tap of every proxy."""

    def __init__(self, pid_of: Callable[[], Mapping[str, int]]) -> None:
        """`pid_of` gives the running client processes."""
        self._pids = pid_of
        self._aims: list[Aim] = []
        self.proxies: list[Proxy] = []
        self.on_reply_of: dict[Link, Callable[[bytes], None]] = {}

    def aim(
        self, labels: frozenset[str], edge: Edge, *, act: Act, client: str | None = None, server: str | None = None
    ) -> Aim:
        """Act at the next such request (BEFORE) or at its answer (AFTER)."""
        aim = Aim(labels, edge, act, asyncio.get_running_loop().create_future(), client, server)
        self._aims.append(aim)
        return aim

    def give_up(self, aim: Aim) -> None:
        """Wait for it no more."""
        if aim in self._aims:
            self._aims.remove(aim)

    def doing(self, *, client: str | None = None, server: str | None = None) -> set[str]:
        """The requests that are under way."""
        return {
            label
            for proxy in self.proxies
            if server is None or proxy.server == server
            for link in proxy.links
            if client is None or self.owner_of(link) == client
            for label in link.wire.under_way
        }

    def on_request(self, link: Link, labels: list[str]) -> Verdict:
        """Called by proxies."""
        return self._look(link, labels, edge=Edge.BEFORE) if labels and self._aims else Verdict.PASS

    def on_reply(self, link: Link, labels: list[str], *, data: bytes) -> Verdict:
        """Called by proxies."""
        listener = self.on_reply_of.get(link)
        if listener is not None:
            listener(data)
        return self._look(link, labels, edge=Edge.AFTER) if labels and self._aims else Verdict.PASS

    def owner_of(self, link: Link) -> str | None:
        """The client process; asked for once per connection."""
        if not link.is_owner_known:
            link.owner = _owner(link.peer_port, link.proxy.port, pids=self._pids())
            link.is_owner_known = True
        return link.owner

    def _look(self, link: Link, labels: list[str], *, edge: Edge) -> Verdict:
        self.owner_of(link)
        for aim in self._aims:
            if aim.edge is edge and aim.matches(link, labels):
                self._aims.remove(aim)
                aim.hit.set_result(link)
                return aim.act(link)
        return Verdict.PASS


def _owner(peer_port: int, proxy_port: int, *, pids: Mapping[str, int]) -> str | None:
    inode = _socket_inode(peer_port, proxy_port)
    if inode is None:
        return None
    wanted = f"socket:[{inode}]"
    for name, pid in pids.items():
        try:
            if any(_target(entry) == wanted for entry in Path(f"/proc/{pid}/fd").iterdir()):
                return name
        except OSError:  # it has just ended
            continue
    return None


def _target(entry: Path) -> str | None:
    try:
        return str(entry.readlink())
    except OSError:
        return None


def _socket_inode(local_port: int, remote_port: int) -> str | None:
    local, remote = f":{local_port:04X}", f":{remote_port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(local) and fields[2].endswith(remote):
            return fields[9]
    return None
