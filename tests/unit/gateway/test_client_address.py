"""A client cannot choose the address that it is counted by."""

import pytest

from gateway.client_address import MEMORY_MAX, ClientAddresses, parse_networks

BALANCERS = parse_networks("10.0.0.0/8, 2001:db8:ff::/48, 192.0.2.7")


def client(peer: str, *forwarded: str) -> str:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", each.encode("latin-1")) for each in forwarded)]
    return ClientAddresses(BALANCERS).client(peer, headers)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),
        ("10.1.2.3", ("198.51.100.1",), "198.51.100.1"),
        ("10.1.2.3", ("1.1.1.1, 198.51.100.1",), "198.51.100.1"),
        ("10.1.2.3", ("198.51.100.1, 10.9.9.9, 192.0.2.7",), "198.51.100.1"),
        ("10.1.2.3", ("198.51.100.1", "10.9.9.9"), "198.51.100.1"),
        ("10.1.2.3", ("1.1.1.1", "198.51.100.1"), "198.51.100.1"),
        ("10.1.2.3", ("10.4.4.4, 10.5.5.5",), "10.4.4.4"),
        ("10.1.2.3", (), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.1, unknown",), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.1, evil, 10.9.9.9",), "10.9.9.9"),
        ("10.1.2.3", ("198.51.100.1:4711",), "198.51.100.1"),
        ("10.1.2.3", ("[2001:db8:1:2:3::4]:4711",), "2001:db8:1:2::/64"),
        ("2001:db8:ff::1", ("2001:db8:1:2::9",), "2001:db8:1:2::/64"),
        ("2001:db8:1:2:aaaa::1", (), "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::1", (), "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", ("::ffff:198.51.100.1",), "198.51.100.1"),
        ("10.1.2.3", ("é\xff",), "10.1.2.3"),
        ("", ("198.51.100.1",), ""),
    ],
)
def test_the_right_most_address_that_is_no_balancer_counts(peer: str, forwarded: tuple[str, ...], found: str) -> None:
    assert client(peer, *forwarded) == found


def test_a_long_list_is_read_from_its_right_end() -> None:
    assert client("10.1.2.3", "1.1.1.1, " * 5_000 + "198.51.100.1") == "198.51.100.1"


def test_memory_is_bounded() -> None:
    addresses = ClientAddresses(())
    for number in range(MEMORY_MAX + 5):
        addresses.client(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", [])
    assert len(addresses._known) <= MEMORY_MAX


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "balancer.example", "10.0.0.0/8;10.1.0.0/16"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no address and no CIDR"):
        parse_networks(text)
