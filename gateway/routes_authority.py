"""What the gateway's table holds of tickets and moderation, and the limits in front of it, made from the settings."""

from collections.abc import Mapping

from contracts.catalogue import CatalogueEntry
from contracts.tokens import DEVELOPMENT_SECRET
from foundation.service import Refused
from gateway.access import MODERATE, TOKEN
from gateway.app import Route
from gateway.client_address import ClientAddresses
from gateway.http_bodies import BodyReader
from gateway.http_moderation import ModerationDesk, ModerationEndpoint
from gateway.http_tickets import TicketsEndpoint
from gateway.moderation import KINDS
from gateway.rate_limit import RateLimiter
from gateway.request_limits import ASKERS_MAX, RequestLimits
from gateway.settings import Settings
from gateway.tickets import ticket_key


def authority_routes(
    catalogue: Mapping[str, CatalogueEntry], bodies: BodyReader, *, key: bytes, moderation: ModerationDesk
) -> list[Route]:
    """The routes. `key` is that of tickets."""
    return [
        Route("POST", "/tickets", TicketsEndpoint(catalogue, bodies, key=key), needs=TOKEN),
        *(Route("POST", f"/moderation/{kind}", ModerationEndpoint(kind, moderation), needs=MODERATE) for kind in KINDS),
    ]


def ticket_key_of(settings: Settings, catalogue: Mapping[str, CatalogueEntry]) -> bytes:
    """The key of tickets, the same in every gateway. Raises Refused where everybody would know it."""
    secret = settings.authority.ticket_secret or settings.tokens.secret
    is_needed = any(entry.ticket is not None for entry in catalogue.values())
    is_known = not secret or (settings.common.is_production and secret == DEVELOPMENT_SECRET)
    if is_needed and is_known:
        raise Refused(
            "the catalogue has actions that need a ticket, and everybody could make one: set SHARDBOARD_TICKET_SECRET"
        )
    return ticket_key(secret)


def request_limits(settings: Settings) -> RequestLimits:
    """The limits of this process."""
    return RequestLimits(
        RateLimiter("user", settings.authority.user_rate, askers_max=ASKERS_MAX),
        RateLimiter("address", settings.authority.address_rate, askers_max=ASKERS_MAX),
        clients=ClientAddresses(settings.authority.trusted_proxies),
    )
