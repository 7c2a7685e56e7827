"""`shardboard demo` as a process: people act with their own tokens, over a restart of the gateway, until SIGTERM."""

import signal
from pathlib import Path

import jwt

from contracts.demo_users import BY_ID
from contracts.exit_codes import ExitCode
from tests.support.processes import SECRET, command, ended, spawn
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.wait import wait_until

CATALOGUE = Path(__file__).resolve().parents[3] / "actions.toml"


async def test_people_act_through_a_gateway_that_restarts_until_sigterm() -> None:
    gateway = ScriptedGateway()
    await gateway.start()
    port = int(gateway.url.rpartition(":")[2])
    process = await spawn("demo", "--rate", "50", SHARDBOARD_URL=gateway.url, SHARDBOARD_ACTIONS_FILE=str(CATALOGUE))
    try:
        await wait_until(lambda: len(gateway.acknowledged) >= 10, timeout_s=60, what="the first actions")
        await gateway.close()
        again = ScriptedGateway()
        await again.start(port)
        await wait_until(lambda: len(again.acknowledged) >= 10, timeout_s=60, what="actions after the restart")
        process.send_signal(signal.SIGTERM)
        stopped = await ended(process)
    finally:
        if process.returncode is None:
            process.kill()
        await again.close()
    assert stopped.code == ExitCode.OK, stopped.err
    for action, token in zip(again.bodies.values(), again.tokens, strict=False):
        claims = jwt.decode(token, SECRET, ["HS256"], audience="shardboard")
        assert claims["sub"] == action["user_id"]
        assert claims["name"] == BY_ID[action["user_id"]].name
        assert "scope" not in claims


async def test_production_has_no_invented_people() -> None:
    refused = await command("demo", SHARDBOARD_URL="http://127.0.0.1:1", SHARDBOARD_ENV="production")
    assert refused.code == ExitCode.REFUSED
    assert "production" in refused.err


async def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    refused = await command("demo", cwd=tmp_path, SHARDBOARD_URL="http://127.0.0.1:1")
    assert refused.code == ExitCode.REFUSED
    assert "actions.toml" in refused.err
