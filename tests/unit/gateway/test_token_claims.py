"""From when until when, by whom and for whom a token counts, to the second."""

from typing import Any

import pytest

from gateway.token_claims import ClaimRules, judge_claims
from gateway.token_rules import BadClaims

NOW_S = 1_800_000_000
RULES = ClaimRules("me", "us", leeway_s=30, scope_claim="permissions")


def judged(now_s: float = NOW_S, **changes: Any) -> int:
    """Until when the caller is known, in ms."""
    claims = {"iss": "me", "aud": "us", "sub": "ada", "iat": NOW_S, "exp": NOW_S + 60, **changes}
    return judge_claims(claims, RULES, now_s=now_s).expires_ms


def test_the_leeway_holds_for_every_time_and_ends() -> None:
    assert judged() == (NOW_S + 90) * 1000
    assert judged(NOW_S + 89.999)
    assert judged(NOW_S - 30)
    assert judged(nbf=NOW_S + 30)
    with pytest.raises(BadClaims, match="has expired"):
        judged(NOW_S + 90)
    with pytest.raises(BadClaims, match="iat lies in the future"):
        judged(NOW_S - 30.001)
    with pytest.raises(BadClaims, match="nbf lies in the future"):
        judged(nbf=NOW_S + 31)


@pytest.mark.parametrize("aud", ["us", ["us"], ["others", "us"]])
def test_we_may_be_one_of_several(aud: object) -> None:
    assert judged(aud=aud)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"iss": "m"}, "another issuer"),
        ({"aud": ["us", None]}, "another audience"),
        ({"aud": "use"}, "another audience"),
        ({"exp": True}, "exp is not a number"),
        ({"exp": float("inf")}, "exp is not a number"),
        ({"exp": 1e30}, "exp is not a time"),
        ({"iat": "now"}, "iat is not a number"),
        ({"jti": 5}, "jti is not text"),
        ({"typ": "Refresh"}, "no access token: typ"),
        ({"token_use": "id"}, "no access token: token_use"),
        ({"cnf": {}}, "bound to a key"),
        ({"permissions": 5}, "permissions is neither"),
    ],
)
def test_others_are_refused_with_the_reason(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(BadClaims) as refusal:
        judged(**changes)
    assert told in str(refusal.value)


@pytest.mark.parametrize("name", ["exp", "iat", "iss", "aud", "sub"])
def test_each_required_claim_is_missed(name: str) -> None:
    with pytest.raises(BadClaims, match=f"lacks the claim {name}"):
        judged(NOW_S, **{name: None})
