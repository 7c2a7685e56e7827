"""Leaderboards by others, driven over HTTP if their addresses are given: Podium and Nakama. Each write is one score of
one user, as in our POST; what they store is in Redis or Postgres, not in a log."""

import base64
from collections.abc import Iterator
from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request as Asking
from urllib.request import urlopen

import aiohttp
import msgspec

from bench.asked import Asked
from bench.wrk import Request, Requests

PODIUM, NAKAMA = "Podium", "Nakama"
BOARD: Final = "shardboard"
USERS: Final = 64
"""Who write in turn. Nakama knows each by a token of its own, which is asked for before the load."""
POINTS: Final = 10
NAKAMA_KEY: Final = "defaultkey"
"""As Nakama's own configuration begins."""
ANSWER_S: Final = 5.0


class RivalFailed(Exception):
    """It answers, but not as its documentation says; the message holds what it said."""


def unreachable(asked: Asked) -> list[str]:
    """Which of the given addresses do not say that they are well."""
    given = ((PODIUM, asked.podium, "--podium"), (NAKAMA, asked.nakama, "--nakama"))
    return [
        f"a {name} at {url}: {why}; start it, or leave {option} out"
        for name, url, option in given
        if url and (why := _fault(url))
    ]


async def rivals(asked: Asked) -> dict[str, tuple[str, Requests]]:
    """By name: where to, and what to send. Raises RivalFailed, aiohttp.ClientError."""
    found: dict[str, tuple[str, Requests]] = {}
    if asked.podium:
        found[PODIUM] = (asked.podium.rstrip("/"), Requests(several=tuple(_podium_writes())))
    if asked.nakama:
        url, key = _without_key(asked.nakama)
        tokens = await _nakama_tokens(url, key)
        found[NAKAMA] = (url, Requests(several=tuple(_nakama_writes(tokens))))
    return found


def _podium_writes() -> Iterator[Request]:
    """`PUT /l/:leaderboardID/members/:memberPublicID/score`."""
    body = msgspec.json.encode({"score": POINTS})
    for user in range(USERS):
        yield Request("PUT", f"/l/{BOARD}/members/user-{user:07d}/score", body)


def _nakama_writes(tokens: list[str]) -> Iterator[Request]:
    """`POST /v2/leaderboard/{leaderboard_id}`; whole numbers of 64 bits are text in protobuf's JSON."""
    body = msgspec.json.encode({"score": str(POINTS)})
    for token in tokens:
        yield Request("POST", f"/v2/leaderboard/{BOARD}", body, token)


async def _nakama_tokens(url: str, key: str) -> list[str]:
    """`POST /v2/account/authenticate/device`, for each user."""
    tokens: list[str] = []
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(headers=_basic(key), timeout=timeout) as http:
        for user in range(USERS):
            asking = http.post(
                f"{url}/v2/account/authenticate/device",
                params={"create": "true"},
                json={"id": f"bench-user-{user:07d}"},
            )
            async with asking as answer:
                told = await answer.text()
                if answer.status != 200:
                    raise RivalFailed(f"{NAKAMA} gave no token: {answer.status} {told[:200]}")
                tokens.append(msgspec.json.decode(told.encode(), type=dict[str, object])["token"])  # type: ignore[arg-type]
    return tokens


def _without_key(url: str) -> tuple[str, str]:
    """The address as it is connected to, and the server's key before the @."""
    parts = urlsplit(url)
    host = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    return urlunsplit((parts.scheme, host, "", "", "")), parts.username or NAKAMA_KEY


def _basic(key: str) -> dict[str, str]:
    """The server's key stands for the user; there is no password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def _fault(url: str) -> str:
    """Why `GET /healthcheck`, which both have, is not answered with 200; nothing if it is."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        return "no http:// address"
    plain, key = _without_key(url)
    asking = Asking(f"{plain}/healthcheck", headers=_basic(key))  # noqa: S310  checked above
    try:
        with urlopen(asking, timeout=ANSWER_S):  # noqa: S310
            return ""
    except (URLError, OSError) as error:
        return str(error)
