"""The issuer's keys over real HTTP: read, rotated by `kid`, bounded, and kept while the issuer is away."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from contracts.metric_names import JWKS_AGE_SECONDS
from foundation.metrics import Metrics
from gateway import http_jwks
from gateway.http_jwks import BYTES_MAX, JwksKeeper, KeysAway, read_document
from gateway.http_token_keys import KeySet
from shardboard.embedded.ports import free_ports
from tests.support.token_kit import ed_key, jwk
from tests.support.wait import wait_until

Answer = Callable[[web.Request], Any]


def document(*names: str) -> bytes:
    return json.dumps({"keys": [jwk(ed_key(name), kid=name) for name in names]}).encode()


class Issuer:
    """Publishes what the test says, and counts who asks."""

    def __init__(self) -> None:
        self.body = document("a")
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.url = ""
        self.hold: asyncio.Event | None = None

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        return web.Response(body=self.body, status=self.status, headers=self.headers)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    app = web.Application()
    app.router.add_get("/keys", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    yield made
    if made.hold is not None:
        made.hold.set()
    await runner.cleanup()


class Keeper:
    def __init__(self, source: str, *, refresh_s: float) -> None:
        self.read: list[KeySet] = []
        self.metrics = Metrics()
        self.keeper = JwksKeeper(source, self.metrics, algorithms=(), refresh_s=refresh_s, on_keys=self.read.append)

    async def reads(self, times: int) -> None:
        await wait_until(lambda: len(self.read) >= times, timeout_s=20, what=f"{times} readings")

    def age_s(self) -> float:
        value = self.metrics.registry.get_sample_value(JWKS_AGE_SECONDS.name)
        assert value is not None
        return value


@asynccontextmanager
async def keeping(source: str, *, refresh_s: float = 3_600) -> AsyncIterator[Keeper]:
    made = Keeper(source, refresh_s=refresh_s)
    task = asyncio.create_task(made.keeper.run(), name="keeper under test")
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_new_kid_is_looked_for_at_once_and_then_not_again_for_a_while(issuer: Issuer) -> None:
    """A thousand tokens with made-up names cost the issuer one request."""
    async with keeping(issuer.url) as made:
        await made.reads(1)
        issuer.body = document("a", "b")
        await asyncio.gather(*(made.keeper.renew() for _ in range(1_000)))
        assert len(made.read[-1]) == 2
        await asyncio.gather(*(made.keeper.renew() for _ in range(1_000)))
        assert issuer.asked == 2


async def test_the_set_is_read_again_by_itself(issuer: Issuer) -> None:
    async with keeping(issuer.url, refresh_s=0.05) as made:
        await made.reads(3)


async def test_while_the_issuer_is_away_the_last_good_set_stays(issuer: Issuer) -> None:
    async with keeping(issuer.url, refresh_s=0.05) as made:
        await made.reads(1)
        for broken in (b"<html>", b"{}", document()):
            issuer.body, before = broken, issuer.asked
            await wait_until(lambda: issuer.asked > before + 1, timeout_s=20, what="more readings")  # noqa: B023
        issuer.status = 500
        read = len(made.read)
        await wait_until(lambda: made.age_s() > 0.2, timeout_s=20, what="the metric to tell")
        assert len(made.read) == read
        issuer.status, issuer.body = 200, document("b")
        await made.reads(read + 1)


async def test_an_issuer_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_jwks, "RETRY_S", 0.05)
    (port,) = free_ports(1)
    async with keeping(f"http://127.0.0.1:{port}/keys") as made:
        assert made.age_s() == float("inf")
        later = Issuer()
        app = web.Application()
        app.router.add_get("/keys", later.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await made.reads(1)
        await runner.cleanup()


async def test_redirects_sizes_and_silence_are_refused(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer.status, issuer.headers = 302, {"Location": "http://127.0.0.1:1/evil"}
    with pytest.raises(KeysAway, match="answered 302"):
        await read_document(issuer.url)
    issuer.status, issuer.body = 200, b" " * (BYTES_MAX + 1)
    with pytest.raises(KeysAway, match="more than"):
        await read_document(issuer.url)
    issuer.hold = asyncio.Event()
    monkeypatch.setattr(http_jwks, "TIMEOUT_S", 0.2)
    with pytest.raises(KeysAway, match=r"did not answer within 0\.2 s"):
        await read_document(issuer.url)


async def test_a_file_is_read_and_its_change_noticed(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(KeysAway, match="cannot be read"):
        await read_document(str(path))
    path.write_bytes(document("a"))
    async with keeping(str(path), refresh_s=0.05) as made:
        await made.reads(1)
        path.write_bytes(document("a", "b"))
        await wait_until(lambda: len(made.read[-1]) == 2, timeout_s=20, what="the new file")
    path.write_bytes(b" " * (BYTES_MAX + 1))
    with pytest.raises(KeysAway, match="more than"):
        await read_document(str(path))
