"""The limits in front of every route that writes: per address, and per user unless a service calls. Pure."""

from collections.abc import MutableMapping
from typing import Any, Final

from gateway.client_address import NOBODY, ClientAddresses
from gateway.problem import Problem
from gateway.rate_limit import Rate, RateLimiter
from gateway.token_rules import Caller

ASKERS_MAX: Final = 100_000
"""Users, and addresses, whose rate is remembered: some 15 MB each when all of them come."""


class RequestLimits:
    """What one gateway allows. One owner."""

    def __init__(self, users: RateLimiter, addresses: RateLimiter, *, clients: ClientAddresses) -> None:
        self._users = users
        self._addresses = addresses
        self._clients = clients

    def refusal(self, scope: MutableMapping[str, Any], caller: Caller | None, *, now_s: float) -> Problem | None:
        """The 429, or None. A caller is somebody whose token is good; services write for many users."""
        if caller is not None:
            if caller.may_write_any:
                return None
            refused = self._users.refusal(caller.subject, now_s)
            if refused is not None:
                return refused
        if self._addresses.is_unlimited:
            return None
        peer = scope.get("client")
        client = self._clients.client(peer[0] if peer else NOBODY, scope["headers"])
        return self._addresses.refusal(client, now_s)


UNLIMITED: Final = RequestLimits(
    *(RateLimiter(name, Rate(0, 0), askers_max=1) for name in ("user", "address")), clients=ClientAddresses(())
)
"""Nobody is refused."""
