"""Free ports are free, different, and out of the way of clients' connections."""

import socket

import pytest

from shardboard.embedded import ports
from shardboard.embedded.ports import LOOPBACK, free_ports, is_port_free


def test_ports_are_free_and_different() -> None:
    found = free_ports(50)
    assert len(set(found)) == 50
    assert all(is_port_free(port) for port in found)


def test_they_lie_below_the_ports_of_outgoing_connections() -> None:
    linux_default_first = 32_768
    assert max(free_ports(200)) < linux_default_first


def test_a_port_with_a_listener_is_not_free() -> None:
    (port,) = free_ports(1)
    with socket.create_server((LOOPBACK, port)):
        assert not is_port_free(port)
    assert is_port_free(port)


def test_a_connection_that_lingers_from_an_earlier_server_does_not_count() -> None:
    """The side that closes first keeps the port in TIME_WAIT."""
    (port,) = free_ports(1)
    with socket.create_server((LOOPBACK, port)) as server, socket.create_connection((LOOPBACK, port)) as client:
        accepted, _ = server.accept()
        accepted.close()
        assert client.recv(1) == b""
    assert is_port_free(port)


def test_too_few_ports_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setattr(ports, "_CHOICE", range(port, port + 1))
    with socket.create_server((LOOPBACK, port)), pytest.raises(OSError, match="1 free ports were wanted"):
        free_ports(1)
