"""Writes records that cannot count to the topic of dead letters, bytes untouched, the reason in headers."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer

from contracts import dead_letter
from foundation.kafka_access import client_options
from shard_worker.fold import DeadRecord

REQUEST_TIMEOUT_MS: Final = 10_000
SEND_S_MAX: Final = 15.0
"""For one batch's dead letters: above Kafka's own request timeout, so that its error comes first."""
STOP_S_MAX: Final = 1.0
"""Stopping waits for what is in flight, which may never be answered."""
LINGER_MS: Final = 5
"""Dead letters come in bursts; together they are one request."""


class DeadLetters:
    """One producer per worker, started at the first dead letter: most workers never have one."""

    def __init__(self, bootstrap: str, *, topic: str, source: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._source = source
        self._producer: AIOKafkaProducer | None = None

    async def send(self, dead: Sequence[DeadRecord]) -> None:
        """Return when Kafka has acknowledged all of them; after an error some may be there, and come once more.

        Raises KafkaError or TimeoutError. A producer that did not answer in time is given up: with idempotence a batch
        never expires, so that it could stay stuck for good.
        """
        try:
            async with asyncio.timeout(SEND_S_MAX):
                producer = await self._started()
                futures = [
                    await producer.send(
                        self._topic, letter.record.value, key=letter.record.key, headers=self._headers(letter)
                    )
                    for letter in dead
                ]
                await asyncio.gather(*futures)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """May be called twice."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S_MAX):
                    await producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **client_options(self._bootstrap),
                acks="all",
                enable_idempotence=True,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                linger_ms=LINGER_MS,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    def _headers(self, letter: DeadRecord) -> list[tuple[str, bytes]]:
        reason = letter.reason.encode(errors="replace")[: dead_letter.REASON_BYTES_MAX]
        return [
            (dead_letter.REASON, reason),
            (dead_letter.TOPIC, self._source.encode()),
            (dead_letter.PARTITION, str(letter.partition).encode()),
            (dead_letter.OFFSET, str(letter.record.offset).encode()),
        ]
