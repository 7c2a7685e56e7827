"""The gateway as a process and over real HTTP: the page, the description, the ports, its end."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from contracts.redis_keys import CLUSTER
from foundation.service import Refused, StopSignal
from foundation.settings import Address
from gateway.service import Gateway, bind, read_catalogue
from gateway.settings import read_settings
from shardboard.embedded.ports import free_ports
from tests.support.raw_http import say
from tests.support.running_gateway import RunningGateway, running_gateway, token_for
from tests.support.secret_watch import leaks
from tests.support.wait import wait_until

ROOT = Path(__file__).resolve().parents[3]


async def test_the_page_comes_under_a_strict_policy_and_costs_304_afterwards(gateway: RunningGateway) -> None:
    page = await gateway.get("/")
    assert page.status == 200
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    script = await gateway.get("/static/board.js")
    assert (script.status, script.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    again = await gateway.get("/", **{"If-None-Match": page.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/leaderboard", "/openapi.json", "/static/board.css", "/demo"])
async def test_head_is_get_without_the_body(gateway: RunningGateway, path: str) -> None:
    head, get = await gateway.get(path, method="HEAD"), await gateway.get(path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert head.headers.get("ETag") == get.headers.get("ETag")


async def test_the_description_is_openapi_3_1(gateway: RunningGateway) -> None:
    document = (await gateway.get("/openapi.json")).json
    assert document["openapi"].startswith("3.1")
    assert {"/actions", "/leaderboard", "/leaderboard/stream"} <= set(document["paths"])


async def test_wrong_methods_and_paths_over_http(gateway: RunningGateway) -> None:
    answer = await gateway.get("/actions")
    assert (answer.status, answer.code, answer.headers["Allow"]) == (405, "method-not-allowed", "OPTIONS, POST")
    missing = await gateway.get("/leaderboards")
    assert (missing.status, missing.code) == (404, "not-found")


async def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Refused, match="SHARDBOARD_LISTEN = "):
        bind(Address("127.0.0.1", taken.getsockname()[1]))


@pytest.mark.parametrize("text", [None, "not toml [", "[actions.x]\npoints = 0\n"])
def test_a_bad_catalogue_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "actions.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Refused, match="SHARDBOARD_ACTIONS_FILE"):
        read_catalogue(read_settings({"SHARDBOARD_ACTIONS_FILE": str(path)}))


async def test_a_taken_internal_port_is_named_and_the_public_one_is_free_again(gateway_env: dict[str, str]) -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environ = {
            **gateway_env,
            "SHARDBOARD_LISTEN": f"127.0.0.1:{port}",
            "SHARDBOARD_ADMIN_LISTEN": f"127.0.0.1:{taken.getsockname()[1]}",
        }
        with pytest.raises(Refused, match="SHARDBOARD_ADMIN_LISTEN"):
            await Gateway(read_settings(environ)).serve(StopSignal())
    bind(Address("127.0.0.1", port)).close()


async def test_the_cache_of_another_deployment_is_refused(gateway_env: dict[str, str], valkey: Redis) -> None:
    """The first gateway marks the cache; one that would count other periods must not serve from it."""
    async with running_gateway(gateway_env):
        await wait_until(lambda: valkey.exists(CLUSTER), timeout_s=20, what="the mark")
    stop = StopSignal()
    other = {**gateway_env, "SHARDBOARD_LISTEN": "127.0.0.1:0", "SHARDBOARD_PERIODS": "all_time,monthly"}
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(20):
            await Gateway(read_settings(other)).serve(stop)
    assert caught.group_contains(Refused, match="belongs to another deployment: periods is")


async def test_as_a_process_it_serves_and_ends_with_0_on_sigterm(gateway_env: dict[str, str]) -> None:
    public, internal = free_ports(2)
    environ = {
        **os.environ,
        **gateway_env,
        "SHARDBOARD_LISTEN": f"127.0.0.1:{public}",
        "SHARDBOARD_ADMIN_LISTEN": f"127.0.0.1:{internal}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=environ, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with aiohttp.ClientSession() as http:
            await wait_until(lambda: _is_ready(http, internal), timeout_s=30, what="the process to be ready")
            async with http.post(
                f"http://127.0.0.1:{public}/actions",
                json={"user_id": "alice", "action": "commit"},
                headers={"Authorization": f"Bearer {token_for('alice')}"},
            ) as response:
                assert response.status == 201
            async with http.get(f"http://127.0.0.1:{public}/leaderboard/stream") as stream:
                assert stream.status == 200
                process.send_signal(signal.SIGTERM)
                said = await asyncio.wait_for(stream.content.read(), 10)
                assert b"retry: " in said
        _, log = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0, log.decode()
        assert b"draining" in log
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_bad_settings_end_the_process_with_3_and_name_every_fault() -> None:
    environ = {**os.environ, "SHARDBOARD_LISTEN": "nowhere", "SHARDBOARD_TICK_MS": "-1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=environ, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 3
    assert b"SHARDBOARD_LISTEN" in said
    assert b"SHARDBOARD_TICK_MS" in said


async def test_no_token_and_no_secret_is_in_the_log_of_a_run(gateway_env: dict[str, str], tmp_path: Path) -> None:
    """At the most talkative level: good and bad tokens, in headers and where they do not belong, and a secret file."""
    public, internal = free_ports(2)
    secret = tmp_path / "secret"
    secret.write_text("a-secret-of-the-log-test-0123456789abcdef")
    token = token_for("alice", secret=secret.read_text())
    environ = {
        **os.environ,
        **gateway_env,
        "SHARDBOARD_LISTEN": f"127.0.0.1:{public}",
        "SHARDBOARD_ADMIN_LISTEN": f"127.0.0.1:{internal}",
        "SHARDBOARD_JWT_SECRET_FILE": str(secret),
        "SHARDBOARD_POSTGRES_URL": "postgresql://board:a-secret-of-the-database@127.0.0.1:1/board",
        "SHARDBOARD_LOG": "debug",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=environ, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with aiohttp.ClientSession() as http:
            await wait_until(lambda: _is_ready(http, internal), timeout_s=30, what="the process to be ready")
            url, body = f"http://127.0.0.1:{public}", {"user_id": "alice", "action": "commit"}
            for sent in (token, token[:-3], token_for("alice", ttl_s=-99), f"{token} {token}"):
                async with http.post(
                    f"{url}/actions", json=body, headers={"Authorization": f"Bearer {sent}"}
                ) as answer:
                    assert answer.status in (201, 401)
            for path in (f"/leaderboard?access_token={token}", f"/{token}", f"/users/{token}/rank"):
                async with http.get(url + path) as answer:
                    assert answer.status in (200, 404, 422, 503)
            assert await say(public, f"GET /{token}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        process.terminate()
        _, log = await asyncio.wait_for(process.communicate(), 15)
        assert b"draining" in log
        assert leaks(log) == []
        assert b"a-secret-of-the-" not in log
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/health/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
