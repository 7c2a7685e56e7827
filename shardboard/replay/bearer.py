"""The token that requests carry: one that was given, or one made from the deployment's secret and renewed in time."""

from collections.abc import Callable
from typing import Final, Protocol

from foundation.settings import TokenSettings
from shardboard.minting import Claims, mint

TTL_S: Final = 3600
RENEW_BEFORE_S: Final = 600
"""Renewed this long before it expires: longer than any line is tried."""
MINT_AGAIN_AFTER_S: Final = 5.0
"""A fresh token that is refused at once would be refused again: the secret is another one."""


class Bearer(Protocol):
    """Where the token comes from."""

    def token(self) -> str:
        """The token for the next request."""
        ...

    def renew(self, refused: str) -> bool:
        """After this token was refused: whether there is another one that is worth a try."""
        ...


class GivenBearer:
    """A token from the command line or the environment; there is no other."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        """The given token."""
        return self._token

    def renew(self, refused: str) -> bool:  # noqa: ARG002
        """Never."""
        return False


class MintedBearer:
    """Tokens made here. `now_s` is the wall clock, which `exp` is read against."""

    def __init__(self, settings: TokenSettings, claims: Claims, *, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._claims = claims
        self._now_s = now_s
        self._minted_s = float("-inf")
        self._token = ""

    def token(self) -> str:
        """The current token, made anew before it expires, and after the clock was set back."""
        age_s = self._now_s() - self._minted_s
        if not 0 <= age_s < TTL_S - RENEW_BEFORE_S:
            self._mint()
        return self._token

    def renew(self, refused: str) -> bool:
        """Make a fresh one, unless the refused one was fresh. Many connections may report the same old token."""
        if refused != self._token:
            return True
        if self._now_s() - self._minted_s < MINT_AGAIN_AFTER_S:
            return False
        self._mint()
        return True

    def _mint(self) -> None:
        self._minted_s = self._now_s()
        self._token = mint(self._settings, self._claims, ttl_s=TTL_S, now_s=int(self._minted_s))
