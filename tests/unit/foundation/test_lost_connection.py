"""Only uvloop's word for a closed transport is a lost connection; any other RuntimeError is a defect."""

import pytest

from foundation.lost_connection import is_lost


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ("unable to perform operation on <TCPTransport closed=True reading=False 0x55>; the handler is closed", True),
        ("Event loop is closed", False),
        ("read() called while another coroutine is already waiting for incoming data", False),
    ],
)
def test_a_closed_handle_is_a_lost_connection(said: str, lost: bool) -> None:
    assert is_lost(RuntimeError(said)) is lost
