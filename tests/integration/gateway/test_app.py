"""Defects of ours behind the real HTTP server: what a client of the raw routes and of FastAPI's gets, and what goes
on afterwards."""

import asyncio
import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest
import uvicorn

from foundation.settings import Address
from gateway.service import bind
from tests.support.wait import wait_until
from tests.unit.gateway.test_app import app_that_fails


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app_that_fails(), http="httptools", log_config=None, lifespan="off"))
    listener = bind(Address("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await wait_until(lambda: server.started, what="the server")
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving
    listener.close()


async def test_a_defect_is_answered_as_a_problem_and_the_next_request_is_served(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with aiohttp.ClientSession() as http:
        for path in ("/raw", "/rest", "/raw"):
            async with http.get(url + path) as answer:
                assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
                assert (await answer.json(content_type=None))["type"] == "urn:shardboard:problem:internal"
        with pytest.raises(aiohttp.ClientError):
            async with http.get(url + "/midway") as answer:
                await answer.read()
        async with http.get(url + "/") as answer:
            assert answer.status == 200
    by_server = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(by_server) == 2, "of /rest and /midway; the raw ones are logged by us"
