"""`shardboard replay` as it is typed: wrong use, where the gateway and the token come from, what it prints."""

from pathlib import Path

import jwt
import pytest

from contracts import problems
from contracts.exit_codes import ExitCode
from tests.support.command import valid
from tests.support.processes import SECRET, command
from tests.support.scripted_gateway import Problem, ScriptedGateway

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "actions.ndjson"
    path.write_text('{"user_id": "ada", "action": "commit", "timestamp": "2023-10-01T15:15:37Z"}\nnot json\n')
    return path


@pytest.mark.parametrize(
    "wrong",
    [
        ["--rate", "fast"],
        ["--concurrency", "0"],
        ["--url", "gateway:8080"],
        ["--timestamps", "old"],
        ["--token", "a b"],
        ["--output", "xml"],
        ["--give-up-after", "301"],
    ],
)
async def test_wrong_use_ends_with_2(file: Path, wrong: list[str]) -> None:
    ended = await command("replay", file, "--url", NOWHERE, *wrong)
    assert ended.code == ExitCode.USAGE, ended.err


async def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    assert (await command("replay", tmp_path / "none", "--url", NOWHERE)).code == ExitCode.USAGE


async def test_a_damaged_file_fails(tmp_path: Path) -> None:
    file = tmp_path / "actions.gz"
    file.write_bytes(b"\x1f\x8bnot gzip")
    ended = await command("replay", file, "--url", NOWHERE)
    assert ended.code == ExitCode.FAILED
    assert "actions.gz" in ended.err


async def test_without_a_deployment_it_says_how_to_name_one(file: Path, tmp_path: Path) -> None:
    ended = await command("replay", file, cwd=tmp_path)
    assert ended.code == ExitCode.REFUSED
    assert "shardboard up" in ended.err


async def test_the_gateway_of_the_environment_gets_a_service_token(file: Path, tmp_path: Path) -> None:
    gateway = ScriptedGateway()
    await gateway.start()
    try:
        ended = await command("replay", file, cwd=tmp_path, SHARDBOARD_URL=gateway.url)
        given = await command("replay", file, "--url", gateway.url, cwd=tmp_path, SHARDBOARD_TOKEN="given")
    finally:
        await gateway.close()
    assert [ended.code, given.code] == [ExitCode.DIFFERENT] * 2
    assert jwt.decode(gateway.tokens[0], SECRET, ["HS256"], audience="shardboard")["scope"] == "actions:write:any"
    assert gateway.tokens[1] == "given"
    assert "1 refused: bad-line" in ended.out
    assert "line 2: not JSON" in ended.out


async def test_timestamps_are_sent_only_when_kept_and_then_the_token_permits_it(file: Path) -> None:
    gateways = ScriptedGateway(), ScriptedGateway()
    for gateway, mode in zip(gateways, ("now", "keep"), strict=True):
        await gateway.start()
        try:
            await command("replay", file, "--url", gateway.url, "--timestamps", mode)
        finally:
            await gateway.close()
    assert ["timestamp" in body for gateway in gateways for body in gateway.bodies.values()] == [False, True]
    kept = jwt.decode(gateways[1].tokens[0], SECRET, ["HS256"], audience="shardboard")
    assert kept["scope"] == "actions:write:any actions:backfill"


async def test_the_summary_for_programs_keeps_its_schema(file: Path) -> None:
    gateway = ScriptedGateway()
    await gateway.start()
    try:
        ended = await command("replay", file, "--url", gateway.url, "--output", "json")
    finally:
        await gateway.close()
    summary = valid(ended.out, "replay")
    assert (summary["lines"], summary["accepted"], summary["refused"], summary["stopped"]) == (2, 1, 1, None)
    assert summary["refusals"][0]["examples"][0]["line"] == 2


async def test_the_summary_comes_even_when_it_stopped(file: Path) -> None:
    gateway = ScriptedGateway(lambda _action, _before: Problem(problems.UNAUTHENTICATED, "expired"))
    await gateway.start()
    try:
        ended = await command("replay", file, "--url", gateway.url, "--output", "json", "--token", "old")
    finally:
        await gateway.close()
    assert ended.code == ExitCode.REFUSED
    assert valid(ended.out, "replay") == ended.json
    assert ended.json["accepted"] == 0
    assert ended.json["stopped"] == "expired"
