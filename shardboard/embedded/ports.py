"""Free TCP ports on loopback."""

import contextlib
import random
import socket

LOOPBACK = "127.0.0.1"
# Below Linux's usual range for outgoing connections (32768 and up), so that no client's connection takes a port
# between our look and the server's bind.
_CHOICE = range(20_000, 32_000)
# Enough for a hundred ports where half of the range is taken.
_TRIES_MAX = 500


def is_port_free(port: int) -> bool:
    """Whether a server could listen there now; connections that linger from an earlier server do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _is_bound(probe, port)


def free_ports(n: int) -> list[int]:
    """`n` different ports where nobody listens. Nothing keeps them: use them soon. OSError when there are too few."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for _ in range(_TRIES_MAX):
            if len(ports) == n:
                return ports
            # Without SO_REUSEADDR, and held until all are found: two of these never get the same port.
            probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            port = random.choice(_CHOICE)
            if _is_bound(probe, port):
                ports.append(port)
    raise OSError(f"{n} free ports were wanted between {_CHOICE.start} and {_CHOICE.stop}, {len(ports)} were found")


def _is_bound(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind((LOOPBACK, port))
    except OSError:
        return False
    return True
