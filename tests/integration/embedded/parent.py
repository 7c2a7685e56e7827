"""A small supervisor for a test: starts one server of the kind that it is told, prints its process id, then waits.

`python -m tests.integration.embedded.parent kafka|valkey|postgres FOLDER`"""

import asyncio
import sys
from pathlib import Path

from shardboard.embedded.kafka import KafkaServer
from shardboard.embedded.ports import free_ports
from shardboard.embedded.postgres import PostgresServer
from shardboard.embedded.server import EmbeddedServer
from shardboard.embedded.valkey import ValkeyServer


async def main(kind: str, folder: Path) -> None:
    (port,) = free_ports(1)
    servers: dict[str, EmbeddedServer] = {
        "kafka": KafkaServer(folder, port=port),
        "valkey": ValkeyServer(folder, port=port, name="s1"),
        "postgres": PostgresServer(folder, port=port),
    }
    server = servers[kind]
    await server.start()
    sys.stdout.write(f"{server.pid}\n{server.address}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
