"""The internal port, asked by a real HTTP client: metrics, life, readiness, and nothing else."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from contracts.metric_names import ACTIONS_ACCEPTED
from foundation.http_internal import InternalPort, Readiness, internal_port
from foundation.metrics import Metrics
from foundation.settings import Address
from shardboard.embedded.ports import free_ports

LOOPBACK = Address("127.0.0.1", 0)


class Service:
    """Its readiness and metrics are what the test sets."""

    def __init__(self) -> None:
        self.readiness = Readiness(False)
        self.metrics = Metrics()
        self.port = InternalPort(self.metrics.registry, lambda: self.readiness)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    await service.port.start(LOOPBACK)
    yield service
    await service.port.close()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{service.port.port}") as session:
        yield session


async def test_readiness_is_asked_at_each_request(service: Service, client: aiohttp.ClientSession) -> None:
    async with client.get("/health/ready") as answer:
        assert (answer.status, await answer.json()) == (503, {"status": "not ready"})
    service.readiness = Readiness(True, {"lag": 0})
    async with client.get("/health/ready") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ready", "lag": 0})


async def test_a_service_that_is_not_ready_is_alive(client: aiohttp.ClientSession) -> None:
    async with client.get("/health/live") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "live"})


async def test_metrics_are_in_prometheus_text(service: Service, client: aiohttp.ClientSession) -> None:
    service.metrics.counter(ACTIONS_ACCEPTED).inc(3)
    async with client.get("/metrics") as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "shardboard_actions_accepted_total 3.0" in text.splitlines()
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405)])
async def test_there_is_nothing_else(client: aiohttp.ClientSession, method: str, path: str, status: int) -> None:
    async with client.request(method, path) as answer:
        assert answer.status == status


async def test_it_is_served_as_long_as_the_body_runs() -> None:
    service, (port,) = Service(), free_ports(1)
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
        internal_port(Address("127.0.0.1", port), service.metrics.registry, readiness=lambda: service.readiness),
        client.get("/health/live") as answer,
    ):
        assert answer.status == 200
    with pytest.raises(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as client:
            await client.get(f"http://127.0.0.1:{port}/health/live")


async def test_a_taken_port_is_an_error(service: Service) -> None:
    other = Service()
    with pytest.raises(OSError, match="address already in use"):
        await other.port.start(Address("127.0.0.1", service.port.port))
    await other.port.close()


async def test_closing_twice_is_harmless_and_the_port_is_free_again() -> None:
    service = Service()
    await service.port.start(LOOPBACK)
    port = service.port.port
    await service.port.close()
    await service.port.close()
    again = Service()
    await again.port.start(Address("127.0.0.1", port))
    assert again.port.port == port
    await again.port.close()
