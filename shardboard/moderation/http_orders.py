"""Sends a moderator's order to the gateway. The order has its id from the beginning: it may be sent again and again."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from contracts.clock import monotonic_s
from contracts.exit_codes import ExitCode
from shardboard.command_error import CommandError

ANSWER_TIMEOUT_S: Final = 10.0
"""Twice the gateway's own deadline for a record."""
RETRY_S_MAX: Final = 5.0
RETRY_S: Final = 1.0
_AGAIN: Final = frozenset({408, 409, 429, 503})
"""Nothing was done, or nobody knows: the same id may be sent again."""
_NOT_ARCHIVED: Final = "urn:shardboard:problem:action-not-archived"
_NOT_COUNTED: Final = "urn:shardboard:problem:action-not-counted"


@dataclass(frozen=True, slots=True)
class Order:
    """What is sent, and with whose token."""

    kind: str
    body: dict[str, Any]
    token: str


async def send_order(url: str, order: Order, *, timeout_s: float) -> dict[str, Any]:
    """The receipt. Raises CommandError: refused, or stalled when `timeout_s` was over before there was an answer."""
    give_up_s = monotonic_s() + timeout_s
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)) as http:
        while True:
            answer = await _send(http, url, order=order)
            if isinstance(answer, dict):
                return answer
            if monotonic_s() + answer.wait_s > give_up_s:
                raise CommandError(
                    ExitCode.STALLED if answer.is_unknown else ExitCode.REFUSED,
                    f"{answer.said} (id {order.body['id']}: the same order with this --id is carried out once)",
                )
            await asyncio.sleep(answer.wait_s)


@dataclass(frozen=True, slots=True)
class _Again:
    """Not yet: ask again in `wait_s`."""

    said: str
    wait_s: float
    is_unknown: bool


async def _send(http: aiohttp.ClientSession, url: str, *, order: Order) -> dict[str, Any] | _Again:
    headers = {"Authorization": f"Bearer {order.token}"}
    try:
        async with http.post(f"{url}/moderation/{order.kind}", json=order.body, headers=headers) as response:
            body = await response.read()
            status, retry = response.status, response.headers.get("Retry-After", "")
    except (aiohttp.ClientError, TimeoutError) as error:
        return _Again(f"the gateway at {url} does not answer: {error or type(error).__name__}", RETRY_S, True)
    answer = _read(body)
    if status == 201 and answer is not None:
        return answer
    if answer is None:
        raise CommandError(ExitCode.FAILED, f"{url} answered {status} and no problem document: is it our gateway?")
    said = _said(answer)
    wait_s = min(float(retry), RETRY_S_MAX) if retry.isdigit() else RETRY_S
    if status in _AGAIN and answer.get("type") != _NOT_COUNTED:
        return _Again(said, wait_s, True)
    if answer.get("type") == _NOT_ARCHIVED:
        return _Again(said, wait_s, False)
    raise CommandError(ExitCode.REFUSED, said)


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def _said(problem: dict[str, Any]) -> str:
    """The problem in a line."""
    errors = "; ".join(f"{error['pointer']} {error['detail']}" for error in problem.get("errors", ()))
    return " ".join(str(part) for part in (problem.get("detail"), errors and f"({errors})") if part)
