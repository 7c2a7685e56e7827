"""A whole gateway in the test's event loop, on ephemeral ports, on the real Kafka and cache that the test gives it."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.record import ActionRecord, decode
from contracts.tokens import AUDIENCE_DEFAULT, DEVELOPMENT_SECRET, ISSUER_DEFAULT
from foundation.service import StopSignal
from gateway.service import Gateway
from gateway.settings import read_settings
from tests.support.wait import wait_until

CATALOGUE = (
    "[actions.commit]\npoints = 10\ndescription = 'A commit'\n[actions.docs]\npoints = 5\n"
    "[actions.quest]\npoints = 100\nticket = { after_s = 0, valid_s = 600 }\n"
    "[actions.raid]\npoints = 70\nticket = { after_s = 60, valid_s = 600 }\n"
)


@dataclass(slots=True)
class RunningGateway:
    """What a client sees of it."""

    url: str
    internal_url: str
    http: aiohttp.ClientSession
    stop: StopSignal
    serving: asyncio.Task[None]

    async def post(self, body: Any, *, token: str | None = None, **headers: str) -> "Answer":
        """POST /actions; a body that is not bytes is sent as JSON."""
        return await self.post_to("/actions", body, token=token, **headers)

    async def post_to(self, path: str, body: Any, *, token: str | None = None, **headers: str) -> "Answer":
        """POST; a body that is not bytes is sent as JSON."""
        sent = {"Content-Type": "application/json", **headers}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        kind = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self.http.post(f"{self.url}{path}", headers=sent, **kind) as response:
            return await _answer(response)

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> "Answer":
        """Any other request."""
        async with self.http.request(method, f"{self.url}{path}", headers=headers) as response:
            return await _answer(response)

    async def is_ready(self) -> bool:
        """What a load balancer would be told."""
        async with self.http.get(f"{self.internal_url}/health/ready") as response:
            return response.status == 200

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        async with self.http.get(f"{self.internal_url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any

    @property
    def code(self) -> str:
        """The problem's code; fails unless this is a well-formed problem document."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["status"] == self.status
        assert self.json["title"]
        assert self.json["detail"]
        kind: str = self.json["type"]
        assert kind.startswith("urn:shardboard:problem:")
        return kind.removeprefix("urn:shardboard:problem:")


@asynccontextmanager
async def running_gateway(environ: Mapping[str, str]) -> AsyncIterator[RunningGateway]:
    """Start a gateway, and drain it afterwards unless the test did."""
    settings = {"SHARDBOARD_LISTEN": "127.0.0.1:0", "SHARDBOARD_DRAIN_S": "4", **environ}
    gateway, stop = Gateway(read_settings(settings)), StopSignal()
    serving = asyncio.create_task(gateway.serve(stop), name="gateway under test")
    try:
        await wait_until(lambda: gateway.is_serving or serving.done(), what="the gateway to listen")
        if serving.done():
            await serving
        # No reuse of connections: the gateway closes idle ones when it drains, which a client may not see in time.
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            yield RunningGateway(
                f"http://127.0.0.1:{gateway.port}", f"http://127.0.0.1:{gateway.internal_port}", http, stop, serving
            )
    finally:
        stop.set()
        await serving


def token_for(
    user_id: str, *, scopes: Sequence[str] = (), ttl_s: int = 7_200, secret: str = DEVELOPMENT_SECRET, **claims: Any
) -> str:
    """A token as `shardboard token` makes it."""
    return jwt.encode(
        {
            "iss": ISSUER_DEFAULT,
            "aud": AUDIENCE_DEFAULT,
            "sub": user_id,
            "iat": int(time.time()) - 1,
            "exp": int(time.time()) + ttl_s,
            "scope": " ".join(scopes),
            **claims,
        },
        secret,
        "HS256",
    )


async def read_log(kafka: str, topic: str) -> list[tuple[int, int, bytes | None, ActionRecord]]:
    """Everything in a topic of actions: partition, offset, key, record."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, p) for p in sorted(await _partitions(consumer, topic))]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found = []
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for message in (await consumer.getmany(partition, timeout_ms=500)).get(partition, ()):
                    record = decode(message.value)
                    assert isinstance(record, ActionRecord)
                    found.append((message.partition, message.offset, message.key, record))
        return found
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client._wait_on_metadata(topic)
    partitions: set[int] = consumer.partitions_for_topic(topic)
    return partitions


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    body = await response.read()
    is_json = "json" in response.headers.get("Content-Type", "") and body
    return Answer(response.status, response.headers, body, await response.json(content_type=None) if is_json else None)
