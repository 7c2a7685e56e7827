"""Slow bodies on real sockets: the client that dawdles is refused in time, and others are served meanwhile."""

import asyncio

from tests.support.running_gateway import running_gateway, token_for
from tests.support.wait import wait_until

HEAD = (
    "POST /actions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
    "Authorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n"
)


async def test_a_body_that_does_not_arrive_is_refused_and_the_connection_ends(gateway_env: dict[str, str]) -> None:
    token = token_for("alice")
    async with running_gateway({**gateway_env, "SHARDBOARD_BODY_DEADLINE_MS": "300"}) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20, what="ready")
        port = int(gateway.url.rpartition(":")[2])
        answers = []
        for begun in (b"", b'{"user_id":'):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEAD.format(token=token).encode() + begun)
            quick = await gateway.post({"user_id": "alice", "action": "commit"}, token=token)
            assert quick.status == 201
            answers.append(await asyncio.wait_for(reader.read(), 10))
            writer.close()
        for answer in answers:
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"connection: close" in answer
            assert b"urn:shardboard:problem:body-too-slow" in answer
        assert await gateway.metric("shardboard_actions_refused_total") == len(answers)
