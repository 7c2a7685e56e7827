"""Digests depend on the rows alone."""

import random

from audit.digest import RowDigest, row_hash

ROWS = [("all_time", f"user-{number}", number, 1_700_000_000_000 + number) for number in range(200)]


def digest_of(rows: list[tuple[str, str, int, int]]) -> str:
    digest = RowDigest()
    for row in rows:
        digest.add(*row)
    assert digest.rows == len(rows)
    return digest.hex()


def test_order_does_not_matter_and_every_field_does() -> None:
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert digest_of(shuffled) == digest_of(ROWS)
    for changed in (
        ("daily", *ROWS[0][1:]),
        ("all_time", "user-x", *ROWS[0][2:]),
        (*ROWS[0][:2], 1, ROWS[0][3]),
        (*ROWS[0][:3], 0),
    ):
        assert digest_of([changed, *ROWS[1:]]) != digest_of(ROWS)
    assert digest_of(ROWS[1:]) != digest_of(ROWS)


def test_a_row_that_comes_twice_is_seen() -> None:
    """A sum, not an exclusive or: two equal rows do not cancel out."""
    assert digest_of([*ROWS, ROWS[0], ROWS[0]]) != digest_of(ROWS)


def test_fields_do_not_run_into_each_other() -> None:
    assert row_hash("ab", "c") != row_hash("a", "bc")
    assert row_hash("1") != row_hash(1)
    assert row_hash(b"1") != row_hash("1")


def test_the_digest_of_nothing_is_zero() -> None:
    assert digest_of([]) == "0" * 32
