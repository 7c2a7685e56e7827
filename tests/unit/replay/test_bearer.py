"""Where a replay's token comes from, and when it is made anew."""

import jwt

from contracts.tokens import SCOPE_BACKFILL, SCOPE_WRITE_ANY
from foundation.settings import TokenSettings
from shardboard.minting import Claims
from shardboard.replay.bearer import MINT_AGAIN_AFTER_S, RENEW_BEFORE_S, TTL_S, GivenBearer, MintedBearer

SETTINGS = TokenSettings(secret="a-secret-of-more-than-thirty-two-bytes", issuer="shardboard", audience="shardboard")
CLAIMS = Claims("replay", (SCOPE_WRITE_ANY, SCOPE_BACKFILL))
NOON_S = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now_s = NOON_S

    def __call__(self) -> float:
        return self.now_s


def test_a_token_says_what_the_gateway_wants_to_know() -> None:
    token = MintedBearer(SETTINGS, CLAIMS, now_s=Clock()).token()
    claims = jwt.decode(
        token, SETTINGS.secret, ["HS256"], audience="shardboard", options={"verify_exp": False, "verify_iat": False}
    )
    assert claims["iss"] == "shardboard"
    assert claims["sub"] == "replay"
    assert claims["scope"] == "actions:write:any actions:backfill"
    assert claims["exp"] == NOON_S + TTL_S
    assert claims["iat"] == NOON_S


def test_a_token_is_kept_until_shortly_before_it_expires() -> None:
    clock = Clock()
    bearer = MintedBearer(SETTINGS, CLAIMS, now_s=clock)
    first = bearer.token()
    clock.now_s = NOON_S + TTL_S - RENEW_BEFORE_S - 1
    assert bearer.token() == first
    clock.now_s += 1
    assert bearer.token() != first


def test_a_clock_that_was_set_back_makes_a_new_token() -> None:
    clock = Clock()
    bearer = MintedBearer(SETTINGS, CLAIMS, now_s=clock)
    first = bearer.token()
    clock.now_s -= 7200
    assert bearer.token() != first


def test_a_fresh_token_that_is_refused_is_not_replaced() -> None:
    bearer = MintedBearer(SETTINGS, CLAIMS, now_s=Clock())
    assert not bearer.renew(bearer.token())


def test_an_older_token_is_replaced_once_for_all_that_report_it() -> None:
    clock = Clock()
    bearer = MintedBearer(SETTINGS, CLAIMS, now_s=clock)
    old = bearer.token()
    clock.now_s += MINT_AGAIN_AFTER_S
    assert bearer.renew(old)
    new = bearer.token()
    assert new != old
    assert bearer.renew(old)
    assert bearer.token() == new


def test_a_given_token_is_all_there_is() -> None:
    bearer = GivenBearer("t")
    assert bearer.token() == "t"
    assert not bearer.renew("t")
