"""`shardboard token` as it is typed: a token alone on stdout, signed with the deployment's secret."""

import time
from pathlib import Path

import jwt
import pytest

from contracts.exit_codes import ExitCode
from tests.support.processes import SECRET, command


async def test_a_user_s_token_is_alone_on_stdout(tmp_path: Path) -> None:
    ended = await command("token", "--user", "ada", "--name", "Ada Łovelace", "--ttl", "15m", cwd=tmp_path)
    assert (ended.code, ended.err) == (ExitCode.OK, "")
    assert ended.out.count("\n") == 1
    claims = jwt.decode(ended.out.strip(), SECRET, ["HS256"], audience="shardboard", issuer="shardboard")
    assert (claims["sub"], claims["name"]) == ("ada", "Ada Łovelace")
    assert "scope" not in claims
    assert 840 < claims["exp"] - time.time() <= 900


@pytest.mark.parametrize(
    ("words", "scope"),
    [([], "actions:write:any"), (["--scope", "operate", "--scope", "moderate"], "operate moderate")],
)
async def test_a_service_s_token_writes_for_anybody_unless_told_otherwise(
    tmp_path: Path, words: list[str], scope: str
) -> None:
    ended = await command("token", "--service", *words, cwd=tmp_path)
    claims = jwt.decode(ended.out.strip(), SECRET, ["HS256"], audience="shardboard")
    assert claims["scope"] == scope


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--user", "ada", "--service"],
        ["--user", ""],
        ["--user", "x" * 129],
        ["--service", "--scope", "everything"],
        ["--service", "--ttl", "soon"],
        ["--service", "--ttl", "0"],
        ["--service", "--ttl", "400d"],
        ["--user", "ada", "--name", "n" * 257],
    ],
)
async def test_wrong_use_ends_with_2_and_prints_no_token(wrong: list[str]) -> None:
    ended = await command("token", *wrong)
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")


async def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    ended = await command("token", "--user", "ada", cwd=tmp_path, SHARDBOARD_JWT_SECRET="short")
    assert (ended.code, ended.out) == (ExitCode.REFUSED, "")
    assert "SHARDBOARD_JWT_SECRET has 5 bytes" in ended.err


async def test_where_an_issuer_makes_the_tokens_none_is_made_here(tmp_path: Path) -> None:
    ended = await command(
        "token", "--user", "ada", cwd=tmp_path, SHARDBOARD_KAFKA="127.0.0.1:1", SHARDBOARD_JWT_SECRET="",
        SHARDBOARD_JWT_JWKS="https://id.example/keys",
    )  # fmt: skip
    assert ended.code == ExitCode.REFUSED
    assert "made by its issuer" in ended.err
