"""With which key tickets are signed, and where it is refused because everybody could sign."""

from dataclasses import replace

import pytest

from contracts.catalogue import parse_catalogue
from contracts.tokens import DEVELOPMENT_SECRET
from foundation.env import BadSettings
from foundation.service import Refused
from gateway.routes_authority import ticket_key_of
from gateway.settings import Settings, read_settings
from gateway.tickets import ticket_key

PLAIN = parse_catalogue("[actions.commit]\npoints = 10")
EARNED = parse_catalogue("[actions.quest]\npoints = 10\nticket = { valid_s = 60 }")
OWN = "a-secret-of-our-own-that-is-long-enough"


def settings(*, jwt: str = DEVELOPMENT_SECRET, ticket: str = "", is_production: bool = False) -> Settings:
    made = read_settings({"SHARDBOARD_TICKET_SECRET": ticket})
    common, tokens = replace(made.common, is_production=is_production), replace(made.tokens, secret=jwt)
    return replace(made, common=common, tokens=tokens)


def test_a_secret_of_its_own_comes_first() -> None:
    assert ticket_key_of(settings(jwt="j" * 40, ticket=OWN), EARNED) == ticket_key(OWN)
    assert ticket_key_of(settings(jwt="j" * 40), EARNED) == ticket_key("j" * 40)


def test_a_key_that_everybody_knows_is_refused_where_tickets_are_needed() -> None:
    for known in (settings(jwt=""), settings(is_production=True), settings(jwt="", is_production=True)):
        with pytest.raises(Refused, match="SHARDBOARD_TICKET_SECRET"):
            ticket_key_of(known, EARNED)
        assert ticket_key_of(known, PLAIN)
    assert ticket_key_of(settings(), EARNED)
    assert ticket_key_of(settings(jwt="", ticket=OWN, is_production=True), EARNED)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(BadSettings, match="SHARDBOARD_TICKET_SECRET has 5 bytes"):
        read_settings({"SHARDBOARD_TICKET_SECRET": "short"})


@pytest.mark.parametrize(
    ("name", "value"), [("USER_RATE", "fast"), ("ADDRESS_RATE", "5/h"), ("TRUSTED_PROXIES", "10.0.0.0/40")]
)
def test_limits_that_cannot_be_read_are_refused(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=f"SHARDBOARD_{name}"):
        read_settings({f"SHARDBOARD_{name}": value})
