"""A moderator's order is sent until the gateway says what became of it, always with the same id."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from contracts.exit_codes import ExitCode
from shardboard.command_error import CommandError
from shardboard.embedded.ports import free_ports
from shardboard.moderation.http_orders import Order, send_order

ORDER = Order("hide", {"user_id": "bob", "reason": "r", "id": "7"}, "token")
RECEIPT = {"id": "7", "kind": "hide", "user_id": "bob", "points": 0, "partition": 1, "offset": 5}


class Gateway:
    """Answers as told, in order; the last answer is given for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[tuple[int, object, str]] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers["Authorization"], await request.json()))
        status, body, retry = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers={"Retry-After": retry} if retry else {})


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    app = web.Application()
    app.router.add_post("/moderation/{kind}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def problem(code: str, detail: str = "said", **more: object) -> dict[str, object]:
    return {"type": f"urn:shardboard:problem:{code}", "detail": detail, **more}


async def test_an_unknown_outcome_is_asked_for_again_with_the_same_id(gateway: Gateway) -> None:
    gateway.answers = [(503, problem("log-unavailable"), "0"), (429, problem("rate-limited"), "0"), (201, RECEIPT, "")]
    assert await send_order(gateway.url, ORDER, timeout_s=20) == RECEIPT
    assert gateway.asked == [("/moderation/hide", "Bearer token", ORDER.body)] * 3


async def test_an_action_that_is_not_archived_yet_is_waited_for_and_then_refused(gateway: Gateway) -> None:
    gateway.answers = [(404, problem("action-not-archived", "not there"), "0"), (201, RECEIPT, "")]
    assert await send_order(gateway.url, ORDER, timeout_s=20) == RECEIPT
    gateway.answers = [(404, problem("action-not-archived", "not there"), "5")]
    with pytest.raises(CommandError, match="not there") as refused:
        await send_order(gateway.url, ORDER, timeout_s=1)
    assert refused.value.code is ExitCode.REFUSED


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (403, problem("forbidden", "needs the scope moderate"), ExitCode.REFUSED, "needs the scope"),
        (409, problem("action-not-counted", "was a repeat"), ExitCode.REFUSED, "was a repeat"),
        (422, problem("x", "bad", errors=[{"pointer": "#/a", "detail": "b"}]), ExitCode.REFUSED, r"bad \(#/a b\)"),
        (502, "<html>", ExitCode.FAILED, "no problem document"),
        (503, problem("log-unavailable", "away"), ExitCode.STALLED, "away .id 7"),
    ],
)
async def test_what_will_not_change_ends_the_command(
    gateway: Gateway, status: int, body: object, code: ExitCode, said: str
) -> None:
    gateway.answers = [(status, body, "")]
    with pytest.raises(CommandError, match=said) as ended:
        await send_order(gateway.url, ORDER, timeout_s=0)
    assert ended.value.code is code


async def test_a_gateway_that_is_not_there_is_given_up_in_time() -> None:
    with pytest.raises(CommandError, match="does not answer") as ended:
        await send_order(f"http://127.0.0.1:{free_ports(1)[0]}", ORDER, timeout_s=0)
    assert ended.value.code is ExitCode.STALLED
