"""An Apache Kafka broker as a child process: one KRaft node that is broker and controller."""

import asyncio
import base64
import shutil
import struct
import threading
import uuid
from pathlib import Path

from shardboard.embedded.java import find_java
from shardboard.embedded.kafka_jars import FetchCancelled, JarsMissing, OnProgress, cache_dir, ensure_jars, listed_jars
from shardboard.embedded.ports import LOOPBACK, free_ports
from shardboard.embedded.server import ChildServer, StartFailed

NODE_ID = 1

# The broker's own changes of state and everybody's warnings; the rest is several lines per partition and start.
_LOG4J = """\
rootLogger.level = WARN
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5p %c{1}: %m%n
logger.raft.name = kafka.server.KafkaRaftServer
logger.raft.level = INFO
logger.lifecycle.name = kafka.server.BrokerLifecycleManager
logger.lifecycle.level = INFO
"""


class KafkaServer(ChildServer):
    """A broker on loopback that makes no topic by itself. Its jars are fetched once per user, at the first start."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int,
        name: str = "kafka",
        heap_mb: int = 384,
        on_progress: OnProgress | None = None,
    ) -> None:
        """`on_progress(jars_here, jars_total)` is called in the event loop, and only when jars are being fetched."""
        super().__init__(data_dir, port=port, name=name)
        self._heap_mb = heap_mb
        self._on_progress = on_progress
        self._log_dir = self.data_dir / "log"
        self._log4j_file = self.data_dir / "log4j2.properties"

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def _prepare(self) -> list[str]:
        """1. Jars. 2. Configuration, new at each start. 3. The log folder, once."""
        jars = await self._fetched_jars()
        java = await asyncio.to_thread(find_java)
        self._log4j_file.write_text(_LOG4J)
        config = self._write_config("server.properties", log_dir=self._log_dir)
        command = [
            str(java),
            f"-Xmx{self._heap_mb}m",
            f"-Xms{min(self._heap_mb, 128)}m",
            "-XX:+UseG1GC",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self._log4j_file}",
            "-cp",
            ":".join(str(jar) for jar in jars),
        ]
        if not self._log_dir.exists():
            await self._format(command)
        return [*command, "kafka.Kafka", str(config)]

    async def _fetched_jars(self) -> list[Path]:
        loop = asyncio.get_running_loop()
        on_progress, cancelled = self._on_progress, threading.Event()

        def tell(done: int, total: int) -> None:
            if on_progress is not None:
                loop.call_soon_threadsafe(on_progress, done, total)

        jars = listed_jars()
        try:
            return await asyncio.to_thread(ensure_jars, jars, cache_dir(jars), on_progress=tell, cancelled=cancelled)
        except (JarsMissing, FetchCancelled) as error:
            raise StartFailed(f"{self.name} did not start: {error}.") from error
        finally:
            cancelled.set()

    async def _format(self, command: list[str]) -> None:
        """1. Format beside its place. 2. Rename it. A crash between leaves a half-made folder, which 1 removes."""
        half_made = self.data_dir / "log.half-made"
        if half_made.exists():
            shutil.rmtree(half_made)
        config = self._write_config("format.properties", log_dir=half_made)
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={_new_cluster_id()}", "-c", str(config)]
        await self._run_once([*command, *tool], purpose="formatting its storage")
        config.unlink()
        half_made.rename(self._log_dir)

    def _write_config(self, file_name: str, *, log_dir: Path) -> Path:
        # Only this process talks to its own controller, so that port may be another one at each start.
        controller = f"{LOOPBACK}:{next(port for port in free_ports(2) if port != self.port)}"  # its own is still free
        settings = {
            "process.roles": "broker,controller",
            "node.id": NODE_ID,
            "controller.quorum.voters": f"{NODE_ID}@{controller}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            # The escape is a backslash in this format.
            "log.dirs": str(log_dir).replace("\\", "\\\\"),
            # A topic that nobody made on purpose would have the wrong number of partitions.
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "controlled.shutdown.enable": "true",
            # After a SIGKILL the controller lets the broker in again only once its old session has run out: 3 s, where
            # the default is 9. Both live in one process, so a pause delays the judge as much as the judged.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # The default of 128 MiB would be a third of the heap.
            "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
            "num.recovery.threads.per.data.dir": 2,
        }
        file = self.data_dir / file_name
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return file

    async def _answers(self) -> bool:
        return await broker_answers(self.address)


async def broker_answers(address: str) -> bool:
    """Ask once. A broker that accepts connections may still be fenced; it serves clients once it lists itself.

    Raises OSError or EOFError where nothing that speaks Kafka's protocol answers.
    """
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(_metadata_request())
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        answer = await reader.readexactly(size)
        _correlation_id, brokers = struct.unpack_from(">ii", answer)
        return bool(brokers)
    finally:
        writer.close()
        await writer.wait_closed()


def _metadata_request() -> bytes:
    """Kafka's Metadata request, version 1, for no topic: header (api, version, correlation, client id), no topics."""
    api_key, version, client_id = 3, 1, b"shardboard"
    body = struct.pack(f">hhih{len(client_id)}si", api_key, version, 0, len(client_id), client_id, 0)
    return struct.pack(">i", len(body)) + body


def _new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
