"""Keeps this gateway's revocations as new as Postgres's: told by NOTIFY, and looked for several times a second in case
nobody told. While Postgres is away, what is known stays in force, and a metric says how old it is."""

import asyncio
from typing import Final, NoReturn

import asyncpg

from contracts.clock import monotonic_s, now_ms
from contracts.metric_names import REVOCATIONS, REVOCATIONS_AGE_SECONDS
from contracts.tokens import REVOKED_CHANNEL
from foundation.logs import get_log
from foundation.metrics import Metrics
from foundation.postgres_connect import AWAY, Connection, connect
from foundation.postgres_sql import statements
from gateway.revocations import Revocation, Revocations

POLL_S: Final = 0.4
"""With a statement's ms it keeps the promise of 1 s where no NOTIFY comes through, as behind some poolers."""
COMMAND_S: Final = 2.0
RETRY_S: Final = 0.25
SWEEP_S: Final = 60.0
"""How often expired ones are looked for, which takes ms where there are many."""
ROWS_MAX: Final = 10_000
"""At a time, some MB."""


class RevocationReader:
    """Fills one `Revocations`. One task runs `run`."""

    def __init__(self, url: str, revoked: Revocations, *, metrics: Metrics) -> None:
        self._url = url
        self._revoked = revoked
        self._version = 0
        self._read_at_s: float | None = None
        self._sweep_at_s = 0.0
        self._wake = asyncio.Event()
        self._failed = ""
        metrics.gauge(REVOCATIONS).set_function(lambda: len(revoked))
        metrics.gauge(REVOCATIONS_AGE_SECONDS).set_function(self._age_s)

    @property
    def is_read(self) -> bool:
        """Whether Postgres was read at least once."""
        return self._read_at_s is not None

    async def run(self) -> NoReturn:
        """Follow. Ends only by being cancelled."""
        while True:
            try:
                await self._follow()
            except (*AWAY, asyncpg.PostgresError) as error:
                # Also a database without the table: the archiver makes it at its first start.
                if self._failed != type(error).__name__:
                    get_log().warning("revocations_away", known=len(self._revoked), error=repr(error))
                self._failed = type(error).__name__
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        connection = await connect(self._url, name="shardboard gateway revocations", command_s=COMMAND_S)
        try:
            await connection.add_listener(REVOKED_CHANNEL, lambda *_: self._wake.set())
            # From the beginning: another Postgres may stand here, restored from a backup. Nothing is forgotten by that,
            # only a row that says so lifts a revocation.
            self._version = 0
            await self._read_newer(connection)
            if self._failed:
                get_log().info("revocations_back", known=len(self._revoked))
                self._failed = ""
            while True:
                self._wake.clear()
                await self._read_newer(connection)
                try:
                    async with asyncio.timeout(POLL_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            connection.terminate()

    async def _read_newer(self, connection: Connection) -> None:
        """Take over what is newer than the last version seen. Each change has a version of its own."""
        is_all = False
        while not is_all:
            rows = await connection.fetch(_sql("newer"), self._version, ROWS_MAX)
            for kind, value, issued_until_s, expires_ms, version in rows:
                self._revoked.put(Revocation(kind, value, issued_until_s, expires_ms), now_ms())
                self._version = version
            is_all = len(rows) < ROWS_MAX
        self._read_at_s = monotonic_s()
        if self._read_at_s >= self._sweep_at_s:
            self._revoked.drop_expired(now_ms())
            self._sweep_at_s = self._read_at_s + SWEEP_S

    def _age_s(self) -> float:
        return float("inf") if self._read_at_s is None else monotonic_s() - self._read_at_s


def _sql(name: str) -> str:
    return statements("gateway", "revocations.sql")[name]
