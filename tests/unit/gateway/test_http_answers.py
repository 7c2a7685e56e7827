"""What every raw endpoint sends, as ASGI messages."""

import json

from contracts.problems import METHOD_NOT_ALLOWED
from gateway.http_answers import Message, header_of, not_allowed, send_answer, send_problem


async def sent_by_problem() -> tuple[Message, Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await send_problem(send, not_allowed("PUT", "GET, HEAD"))
    start, body = sent
    return start, body


async def test_a_problem_is_never_stored_and_keeps_its_headers() -> None:
    start, body = await sent_by_problem()
    assert start["status"] == METHOD_NOT_ALLOWED.status
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"allow"] == b"GET, HEAD"
    assert headers[b"content-length"] == b"%d" % len(body["body"])
    assert json.loads(body["body"])["type"] == METHOD_NOT_ALLOWED.type


async def test_an_answer_is_whole() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await send_answer(send, 201, headers=((b"x-a", b"1"),), body=b"four")
    assert sent == [
        {"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1"), (b"content-length", b"4")]},
        {"type": "http.response.body", "body": b"four"},
    ]


def test_the_first_header_of_a_name_counts() -> None:
    scope = {"headers": [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]}
    assert [header_of(scope, name) for name in (b"a", b"b", b"c")] == [b"1", b"2", None]
