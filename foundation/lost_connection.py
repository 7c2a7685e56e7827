"""How uvloop tells that a connection is lost when a client library writes to it: asyncio's own loop says nothing, and
the read fails. Both are a lost connection, and no defect that should end the process."""

from typing import Final

_UVLOOP_CLOSED: Final = "handler is closed"


def is_lost(error: RuntimeError) -> bool:
    """Whether this came from writing to a transport that its peer has closed."""
    return _UVLOOP_CLOSED in str(error)
