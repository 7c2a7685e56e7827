"""One idempotent Kafka producer from its connection to its end. kafka_log.py replaces it when it is wedged."""

import asyncio
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from foundation.kafka_access import client_options
from gateway.settings import BATCH_BYTES_MAX, REQUEST_TIMEOUT_MS

_MARGIN_S: Final = 1.0
HAND_OVER_S_MAX: Final = 1.0
"""Handing batches over takes microseconds each; only a producer that lost sight of the topic lets one wait."""
CONNECT_S_MAX: Final = REQUEST_TIMEOUT_MS / 1000 + _MARGIN_S
_KILL_S_MAX: Final = REQUEST_TIMEOUT_MS / 1000 + _MARGIN_S
"""A request on its way ends at its own timeout; then the sender stops."""


class Producer:
    """Sends batches to partitions with acks=all; what it retries it does not write twice."""

    def __init__(self, inner: Any, topic: str, *, partitions: int) -> None:
        self._inner = inner
        self._topic = topic
        self.partitions = partitions

    @classmethod
    async def connect(cls, bootstrap: str, topic: str) -> "Producer":
        """A producer that has its id and knows the topic. Raises KafkaError, OSError or TimeoutError."""
        inner = AIOKafkaProducer(
            **client_options(bootstrap),
            client_id="shardboard-gateway",
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES_MAX,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            linger_ms=0,  # kafka_log.py gathers actions itself
        )
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await inner.start()
                partitions = await inner.partitions_for(topic)
        except BaseException:
            await inner.stop()
            raise
        return cls(inner, topic, partitions=len(partitions))

    def new_batch(self) -> BatchBuilder:
        """An empty batch. It may be sent by a later producer too."""
        return self._inner.create_batch()

    async def send(self, batch: BatchBuilder, partition: int) -> "asyncio.Future[Any]":
        """Hand a batch over; the future is Kafka's answer, and comes late or never while Kafka is away.

        Waits only if this partition has a batch that is not on its way yet, which kafka_log.py never lets happen, or if
        the topic is not known any more: the caller sets a limit. Raises KafkaError when the producer is broken.
        """
        answer: asyncio.Future[Any] = await self._inner.send_batch(batch, self._topic, partition=partition)
        return answer

    async def is_answered(self) -> bool:
        """Ask Kafka for metadata: whether it answers in time."""
        try:
            async with asyncio.timeout(_MARGIN_S):
                return bool(await asyncio.shield(self._inner.client.force_metadata_update()))
        except (KafkaError, OSError, TimeoutError):
            return False

    async def close(self, *, flush_s: float) -> None:
        """Give pending batches so long to be acknowledged, then end for good: nothing is sent after that."""
        stopping = asyncio.create_task(self._inner.stop(), name="stop producer")
        try:
            await asyncio.wait({stopping}, timeout=flush_s)
        finally:
            if not stopping.done():
                await self._cut_off()
            await stopping

    async def _cut_off(self) -> None:
        """Aiokafka has no public way to stop a producer whose batches are never answered.

        1. End the sender: the request on its way comes back or times out, none follows. One that then waits to learn
           of the topic's leader, so that it may retry, is not waited for: `stop` would end with its cancellation.
        2. Fail what is left, so that everyone who waits learns of it and `stop` goes on to close the connections.
           Each batch has a second future, for whoever waits for room; with nobody there it would be warned about.
        """
        sender = self._inner._sender.sender_task  # noqa: SLF001
        sender.cancel()
        await asyncio.wait({sender}, timeout=_KILL_S_MAX)
        if sender.cancel():
            await asyncio.wait({sender})
        waiting = self._inner._message_accumulator  # noqa: SLF001
        for batch in chain(waiting._pending_batches, *waiting._batches.values()):  # noqa: SLF001
            batch._drain_waiter.add_done_callback(asyncio.Future.exception)  # noqa: SLF001
        waiting.fail_all(KafkaError("cut off: not acknowledged in time"))
