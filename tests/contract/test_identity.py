"""The 16 bytes that tell a repeat. The vectors are coreutils' `b2sum -l 128` of length, user and action id."""

import pytest

from contracts.identity import id16_of
from contracts.ids import ActionId, UserId


@pytest.mark.parametrize(
    ("user_id", "action_id", "expected"),
    [
        ("ada", "96a2f1a1-1272-51f4-9721-ca813e7b3198", "e57e1c761b9ba968b79743a870981492"),
        ("ab", "c", "92fe95141a208ac6cc9c3dc57c3f7469"),
        ("a", "bc", "85a43f4eea13bb8887c5e6c4973ab40c"),
        ("Zoë", "x", "0af8d4c6d91246a42fb8090ec22a4ac1"),
        ("", "", "11d2df4e979aa105cf552e9544ebd2b5"),
    ],
)
def test_identity_is_blake2b_of_length_user_and_action(user_id: str, action_id: str, expected: str) -> None:
    assert id16_of(UserId(user_id), ActionId(action_id)).hex() == expected
