"""A token is revoked by its id, a user's tokens by when they were issued; both end."""

from contracts.ids import UserId
from gateway.revocations import Revocation, Revocations
from gateway.token_rules import Caller

NOW_MS = 1_000_000


def caller(token_id: str | None = "t", *, issued_s: float = 100) -> Caller:  # noqa: S107
    return Caller(UserId("ada"), None, NOW_MS * 10, frozenset(), token_id, issued_s)


def revoked(*rows: Revocation) -> Revocations:
    made = Revocations()
    for row in rows:
        made.put(row, NOW_MS)
    return made


def test_a_token_is_revoked_until_then() -> None:
    made = revoked(Revocation("jti", "t", None, NOW_MS + 5))
    assert made.covers(caller(), NOW_MS + 4)
    assert not made.covers(caller(), NOW_MS + 5)
    assert not made.covers(caller("other"), NOW_MS)
    assert not made.covers(caller(None), NOW_MS)


def test_of_a_user_those_tokens_that_were_issued_before() -> None:
    made = revoked(Revocation("sub", "ada", 100, NOW_MS + 5))
    assert made.covers(caller(issued_s=100), NOW_MS)
    assert not made.covers(caller(issued_s=100.5), NOW_MS)
    assert not made.covers(caller(issued_s=100), NOW_MS + 5)


def test_the_newest_word_counts() -> None:
    row = Revocation("jti", "t", None, NOW_MS + 5)
    made = revoked(row, Revocation("jti", "t", None, 0))
    assert len(made) == 0
    made.put(row, NOW_MS)
    assert made.covers(caller(), NOW_MS)


def test_expired_ones_are_forgotten() -> None:
    made = revoked(Revocation("jti", "t", None, NOW_MS + 5), Revocation("sub", "ada", 100, NOW_MS + 6))
    made.drop_expired(NOW_MS + 5)
    assert len(made) == 1
    made.drop_expired(NOW_MS + 6)
    assert not made
