"""Whose request it is, by its address: X-Forwarded-For is believed only where a balancer of ours wrote it. Pure."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
CLIENT_IPV6_BITS: Final = 64
"""What one customer gets at least: any address in it is the same client's."""
FORWARDED_BYTES_MAX: Final = 2_048
"""Of X-Forwarded-For, from its right end: some forty proxies."""
MEMORY_MAX: Final = 50_000
"""Peers whose address was read: clients without a balancer come again and again."""
NOBODY: Final = ""
"""Where the server does not tell the peer, as on a socket in the file system."""


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read comma-separated addresses and CIDRs. Raises ValueError."""
    networks = []
    for part in (part.strip() for part in text.split(",")):
        if part:
            try:
                networks.append(ip_network(part))
            except ValueError as error:
                raise ValueError(f"has {part!r}, which is no address and no CIDR: {error}") from error
    return tuple(networks)


class ClientAddresses:
    """Finds out who asked. One owner."""

    def __init__(self, trusted: tuple[Network, ...]) -> None:
        self._trusted = trusted
        self._known: dict[str, tuple[str, bool]] = {}

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The client's address as the limits count it: the right-most one that is no balancer of ours.

        What stands left of it was written by somebody whom we do not know, and is not looked at.
        """
        client, is_trusted = self._read(peer)
        if not is_trusted:
            return client
        for written in reversed(_forwarded(headers)):
            try:
                client, is_trusted = self._read(written)
            except ValueError:
                return client
            if not is_trusted:
                return client
        return client

    def _read(self, text: str) -> tuple[str, bool]:
        """How the address is counted, and whether it is a balancer's. Raises ValueError unless it was known."""
        known = self._known.get(text)
        if known is None:
            known = (NOBODY, False) if text == NOBODY else self._judge(text)
            if len(self._known) >= MEMORY_MAX:
                self._known.clear()
            self._known[text] = known
        return known

    def _judge(self, text: str) -> tuple[str, bool]:
        address = ip_address(text)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        is_trusted = any(address in network for network in self._trusted)
        if isinstance(address, IPv6Address):
            return str(ip_network((int(address), CLIENT_IPV6_BITS), strict=False)), is_trusted
        return str(address), is_trusted


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The addresses of X-Forwarded-For, in order; several fields of that name are one list (RFC 9110 §5.3)."""
    written = b",".join(value for name, value in headers if name == b"x-forwarded-for")
    return [_bare(part.strip()) for part in written[-FORWARDED_BYTES_MAX:].decode("latin-1").split(",") if part.strip()]


def _bare(address: str) -> str:
    """Without a port: some balancers write `192.0.2.1:4711` and `[2001:db8::1]:4711`."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address
