"""The words of msgspec, met as msgspec says them, become pointers that clients may rely on."""

import msgspec
import pytest

from gateway.field_faults import field_error, pointer_to
from gateway.submission import ActionBody


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (b'{"action":"commit"}', "#/user_id", "is required"),
        (b'{"user_id":"a","action":"commit","x/~y":1}', "#/x~1~0y", "is not a known field"),
        (b'{"user_id":7,"action":"commit"}', "#/user_id", "must be text, got int"),
        (b'{"user_id":"","action":"commit"}', "#/user_id", "must be text of at least one character"),
        (b'{"user_id":"a","action":"c","action_id":"7"}', "#/action_id", "Invalid UUID"),
        (b'{"user_id":"a","action":"c","timestamp":5}', "#/timestamp", "must be an RFC 3339 time, got int"),
        (b"[]", "#", "must be an object, got array"),
    ],
)
def test_every_fault_points_at_its_field(body: bytes, pointer: str, detail: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=ActionBody)
    error = field_error(str(caught.value))
    assert (error.pointer, error.detail) == (pointer, detail)


def test_a_pointer_is_a_uri_fragment() -> None:
    assert pointer_to("a b", "é") == "#/a%20b/%C3%A9"
    assert pointer_to() == "#"
