"""Clients that act through both gateways at a bounded rate, and never forget what they were told.

An action without a definite answer is sent again with the same id and the same time through the other gateway, as long
as its id is surely remembered. Some acknowledged ones are sent again on purpose.
"""

import asyncio
import hashlib
import json
import random
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from contracts.clock import monotonic_s, now_ms
from contracts.tokens import SCOPE_WRITE_ANY
from foundation.env import Env
from foundation.service import StopSignal
from foundation.settings import TokenSettings, read_tokens
from shardboard.minting import Claims, mint
from shardboard.replay.http_gateway import Endpoint, GatewayConnection, parse_endpoint, request_head
from shardboard.replay.plan import Answer, NoAnswer
from tests.faults.deployment import GATEWAYS, Deployment
from tests.faults.ledger import Ledger
from tests.faults.watcher import Watcher
from tests.support.actions import sample_actions

SAMPLE: Final = 200_000
SENDERS: Final = 48
ANSWER_S_MAX: Final = 3.5
"""Longer than the gateway's own deadline in this deployment; a half-open connection is given up after it."""
BACK_OFF_S: Final = (0.05, 0.4)
REPEATED_SHARE: Final = 0.02
"""Acknowledged actions that are sent again: a client that lost the answer."""
SYNC_EVERY_S: Final = 0.5
TOKEN_TTL_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Act:
    """The nth action."""

    user_id: str
    action: str
    action_id: str


class Acts:
    """The endless list of actions: the sample's users and actions over and over, each with an id of its own."""

    def __init__(self, seed: int, *, distinct: int = SAMPLE) -> None:
        self._seed = seed
        self._sample = [(each["user_id"], each["action"]) for each in sample_actions(distinct)]

    def __getitem__(self, number: int) -> Act:
        user, action = self._sample[number % len(self._sample)]
        digest = hashlib.blake2b(f"{self._seed}:{number}".encode(), digest_size=16).digest()
        return Act(user, action, str(uuid.UUID(bytes=digest, version=4)))


class Load:
    """`run` until `stop` is set; then every sender settles what it has under way."""

    def __init__(
        self,
        acts: Acts,
        ledger: Ledger,
        *,
        endpoints: Sequence[Endpoint],
        token: str,
        rate_per_s: float,
        retry_s: float,
    ) -> None:
        """`retry_s`: how long after its time an action may be sent again."""
        self._acts = acts
        self._ledger = ledger
        self._heads = [(endpoint, request_head(endpoint, token)) for endpoint in endpoints]
        self._rate_per_s = rate_per_s
        self._retry_s = retry_s
        self._next = ledger.outcomes.begun
        self._slot_s = 0.0
        self.retries = 0
        self.repeats = 0
        self.answered_s = monotonic_s()
        """When an action was acknowledged last."""

    @staticmethod
    def of(deployment: Deployment, acts: Acts, *, ledger: Ledger, rate_per_s: float) -> "Load":
        """Clients of this deployment, who hold a service's token."""
        token = mint(
            load_tokens(deployment.environment),
            Claims("service", (SCOPE_WRITE_ANY,)),
            ttl_s=TOKEN_TTL_S,
            now_s=now_ms() // 1000,
        )
        rules = deployment.durations.rules
        return Load(
            acts,
            ledger,
            endpoints=[parse_endpoint(deployment.proxy_url(gateway)) for gateway in GATEWAYS],
            token=token,
            rate_per_s=rate_per_s,
            retry_s=max(rules.back_ms / 1000 - ANSWER_S_MAX, rules.back_ms / 2000),
        )

    @property
    def acknowledged(self) -> int:
        """Over all runs."""
        return len(self._ledger.outcomes.places)

    async def run(self, stop: StopSignal) -> None:
        """Send."""
        done = StopSignal()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sync(done), name="ledger")
            async with asyncio.TaskGroup() as senders:
                for number in range(SENDERS):
                    senders.create_task(self._send(stop, number), name=f"sender {number}")
            done.set()
        self._ledger.sync()

    async def _sync(self, done: StopSignal) -> None:
        while not await done.sleep(SYNC_EVERY_S):
            await asyncio.to_thread(self._ledger.sync)

    async def _send(self, stop: StopSignal, sender: int) -> None:
        rng = random.Random(sender)
        connections = [GatewayConnection(endpoint) for endpoint, _ in self._heads]
        try:
            while await self._slot(stop):
                number = self._next
                self._next += 1
                self._ledger.begin(number)
                await self._settle(number, connections, rng=rng)
        finally:
            for connection in connections:
                connection.close()

    async def _slot(self, stop: StopSignal) -> bool:
        """Keep to the rate; what was missed is not caught up."""
        now_s = monotonic_s()
        self._slot_s = max(self._slot_s, now_s - 0.2) + 1 / self._rate_per_s
        wait_s = self._slot_s - now_s
        return not stop.is_set and (wait_s <= 0 or not await stop.sleep(wait_s))

    async def _settle(self, number: int, connections: Sequence[GatewayConnection], *, rng: random.Random) -> None:
        act, began_s = self._acts[number], monotonic_s()
        body = _body(act)
        gateway = rng.randrange(len(connections))
        is_first, pause = True, StopSignal()
        while monotonic_s() - began_s < self._retry_s:
            answer = await self._post(connections[gateway], gateway, body=body)
            if answer is not None and answer.status == 201:
                self._acknowledge(number, answer.body)
                if rng.random() < REPEATED_SHARE:
                    await self._repeat(connections, gateway, body=body, until_s=began_s + self._retry_s)
                return
            if answer is not None and 400 <= answer.status < 500 and answer.status != 429:
                if is_first:
                    self._ledger.refused(number, json.loads(answer.body)["type"])
                    return
                break  # too late for another try; an earlier one may have been recorded
            is_first = False
            self.retries += 1
            gateway = (gateway + 1) % len(connections)
            await pause.sleep(rng.uniform(*BACK_OFF_S))
        self._ledger.unknown(number)

    async def _repeat(
        self, connections: Sequence[GatewayConnection], gateway: int, *, body: bytes, until_s: float
    ) -> None:
        other = (gateway + 1) % len(connections)
        if monotonic_s() + ANSWER_S_MAX < until_s:
            self.repeats += 1
            await self._post(connections[other], other, body=body)

    async def _post(self, connection: GatewayConnection, gateway: int, *, body: bytes) -> Answer | None:
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                answer = await connection.post(self._heads[gateway][1], body)
        except TimeoutError:
            return None
        return None if isinstance(answer, NoAnswer) else answer

    def _acknowledge(self, number: int, body: bytes) -> None:
        receipt = json.loads(body)
        self._ledger.acknowledged(number, partition=receipt["partition"], offset=receipt["offset"])
        self.answered_s = monotonic_s()


@asynccontextmanager
async def loading(load: Load, watcher: Watcher, *, stop: StopSignal) -> AsyncIterator[None]:
    """Load and watchers while the block runs; afterwards every action that was begun is settled."""
    stop_watching = StopSignal()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watcher.run(stop_watching), name="watcher")
        acting = tasks.create_task(load.run(stop), name="load")
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait([acting])
            stop_watching.set()


def load_tokens(environment: Mapping[str, str]) -> TokenSettings:
    """The deployment's token settings."""
    env = Env(environment)
    env.choice("ENV", "development", choices=("development", "production"), meaning="whether secrets must be your own")
    return read_tokens(env)


def _body(act: Act) -> bytes:
    at = datetime.fromtimestamp(now_ms() / 1000, UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {"user_id": act.user_id, "action": act.action, "action_id": act.action_id, "timestamp": at}
    ).encode()
