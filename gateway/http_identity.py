"""Who calls: the checker of tokens, and what keeps its keys and its revocations up to date. service.py owns it."""

import asyncio

from foundation.metrics import Metrics
from foundation.service import Refused
from gateway.http_jwks import JwksKeeper
from gateway.http_token_keys import BadKeys
from gateway.http_tokens import TokenChecker
from gateway.postgres_revocations import RevocationReader
from gateway.revocations import Revocations
from gateway.settings import Settings


class Identity:
    """All of it for one gateway."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Raises Refused when no token could be verified with the settings."""
        revoked = Revocations()
        tokens = settings.tokens
        try:
            self.tokens = TokenChecker(tokens, metrics, cache_max=settings.token_cache_max, revoked=revoked)
        except BadKeys as error:
            raise Refused(str(error)) from error
        self._jwks: JwksKeeper | None = None
        if tokens.jwks:
            self._jwks = JwksKeeper(
                tokens.jwks,
                metrics,
                algorithms=tokens.algorithms,
                refresh_s=tokens.jwks_refresh_s,
                on_keys=self.tokens.use_keys,
            )
            self.tokens.renew = self._jwks.renew
        self._revocations: RevocationReader | None = None
        if settings.common.postgres_url:
            self._revocations = RevocationReader(settings.common.postgres_url, revoked, metrics=metrics)

    @property
    def state(self) -> dict[str, object]:
        """For the readiness answer."""
        return {
            "keys": "ready" if self.tokens.has_keys else "away",
            "revocations": "none" if self._revocations is None else "read" if self._revocations.is_read else "unread",
        }

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Follow the issuer's keys and the revocations."""
        if self._jwks is not None:
            tasks.create_task(self._jwks.run(), name="issuer's keys")
        if self._revocations is not None:
            tasks.create_task(self._revocations.run(), name="revocations")
