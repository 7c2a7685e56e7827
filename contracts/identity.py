"""The 16-byte identity of an action: scoped to its user, so that nobody can squat another user's action ids."""

from hashlib import blake2b

from contracts.ids import ActionId, Id16, UserId


def id16_of(user_id: UserId, action_id: ActionId) -> Id16:
    """BLAKE2b-128(len(user_id) ‖ user_id ‖ action_id), lengths in bytes as 4 big-endian bytes, text as UTF-8."""
    user = user_id.encode()
    return Id16(blake2b(len(user).to_bytes(4, "big") + user + action_id.encode(), digest_size=16).digest())
