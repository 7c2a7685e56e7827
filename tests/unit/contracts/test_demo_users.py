"""The demo's users are good users with names of their own."""

from contracts.demo_users import BY_ID, DEMO_USERS
from contracts.ids import NAME_BYTES_MAX, user_id_fault


def test_they_are_distinct_and_recognisable() -> None:
    assert len(BY_ID) == len({user.name for user in DEMO_USERS}) == len(DEMO_USERS) >= 20
    assert all(user.user_id.startswith("demo-") for user in DEMO_USERS)


def test_ids_and_names_are_within_bounds() -> None:
    assert all(user_id_fault(user.user_id) is None for user in DEMO_USERS)
    assert all(0 < len(user.name.encode()) <= NAME_BYTES_MAX for user in DEMO_USERS)
