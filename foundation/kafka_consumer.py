"""Ends a Kafka consumer, also while Kafka is away."""

import asyncio
from typing import Any


async def stop_consumer(consumer: Any) -> None:
    """Give its connections back; may be called twice. Raises CancelledError only when the caller is cancelled.

    aiokafka cancels its own fetches and then waits for them without expecting that. One that waits out a failure passes
    its CancelledError on, as if we were cancelled: the service would end without a word. What `stop` would have done
    after that is to close the client.
    """
    task = asyncio.current_task()
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        if task is None or task.cancelling():
            raise
        for fetch in consumer._fetcher._pending_tasks:  # noqa: SLF001
            fetch.cancel()
        await consumer._client.close()  # noqa: SLF001
