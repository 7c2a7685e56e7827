"""Users are limited by name, everybody by address, services not at all."""

from typing import Any

from contracts.ids import UserId
from contracts.tokens import SCOPE_MODERATE, SCOPE_WRITE_ANY
from gateway.client_address import ClientAddresses, parse_networks
from gateway.rate_limit import Rate, RateLimiter
from gateway.request_limits import RequestLimits
from gateway.token_rules import Caller

ANN, BOB = Caller(UserId("ann"), None, 1), Caller(UserId("bob"), None, 1)
SERVICE = Caller(UserId("games"), None, 1, frozenset({SCOPE_WRITE_ANY}))
MODERATOR = Caller(UserId("mod"), None, 1, frozenset({SCOPE_MODERATE}))


def limits(*, users: int = 0, addresses: int = 0) -> RequestLimits:
    return RequestLimits(
        RateLimiter("user", Rate(min(users, 1), users), askers_max=9),
        RateLimiter("address", Rate(min(addresses, 1), addresses), askers_max=9),
        clients=ClientAddresses(parse_networks("10.0.0.1")),
    )


PEER = ("192.0.2.1", 4711)


def asked(limit: RequestLimits, caller: Caller | None, *, peer: Any = PEER, forwarded: bytes = b"") -> bool:
    scope = {"client": peer, "headers": [(b"x-forwarded-for", forwarded)] if forwarded else []}
    return limit.refusal(scope, caller, now_s=1.0) is None


def test_each_user_has_a_limit_of_their_own_wherever_they_are() -> None:
    limit = limits(users=2)
    assert [asked(limit, ANN, peer=(f"192.0.2.{n}", 1)) for n in range(4)] == [True, True, False, False]
    assert asked(limit, BOB)
    assert [asked(limit, MODERATOR) for _ in range(3)] == [True, True, False]


def test_all_from_one_address_share_its_limit_and_so_do_those_without_a_good_token() -> None:
    limit = limits(addresses=3)
    assert [asked(limit, caller) for caller in (ANN, BOB, None, ANN, None)] == [True, True, True, False, False]
    assert asked(limit, ANN, peer=("192.0.2.2", 1))
    assert asked(limit, None, peer=("10.0.0.1", 1), forwarded=b"192.0.2.3")
    assert not asked(limit, None, peer=("10.0.0.1", 1), forwarded=b"192.0.2.1")


def test_a_service_writes_for_many_and_is_not_limited() -> None:
    limit = limits(users=1, addresses=1)
    assert all(asked(limit, SERVICE) for _ in range(100))


def test_a_socket_without_a_peer_is_one_address() -> None:
    limit = limits(addresses=1)
    assert [asked(limit, None, peer=None), asked(limit, None, peer=None)] == [True, False]
