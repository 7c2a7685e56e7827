"""A connection that the peer closed is a KafkaConnectionError under uvloop, whatever is sent on it next."""

import asyncio

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from foundation.kafka_lost import tell_lost_connections


async def _send_on_closed(host: str, port: int) -> None:
    """The transport is closed and the reader has not noticed: the moment that ended services."""
    connection = AIOKafkaConnection(host, port)
    await connection.connect()
    writer = connection._writer
    writer.transport.abort()
    await asyncio.sleep(0)  # the handle closes in the loop's next turn
    with pytest.raises(RuntimeError, match="handler is closed"):
        writer.write(b"x")  # what uvloop says by itself
    with pytest.raises(KafkaConnectionError, match="handler is closed"):
        await connection.send(MetadataRequest([]))
    assert not connection.connected()


def test_a_write_to_a_closed_connection_is_a_lost_connection(kafka_address: str) -> None:
    tell_lost_connections()
    tell_lost_connections()
    host, _, port = kafka_address.rpartition(":")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_send_on_closed(host, int(port)))


def test_other_defects_stay_defects() -> None:
    tell_lost_connections()

    class Broken:
        def write(self, _: bytes) -> None:
            raise RuntimeError("something else")

        def close(self) -> None: ...

    async def send() -> None:
        connection = AIOKafkaConnection("127.0.0.1", 1)
        connection._writer = Broken()
        connection._versions = {3: (0, 5)}
        await connection.send(MetadataRequest([]))

    with pytest.raises(RuntimeError, match="something else"):
        asyncio.run(send())
