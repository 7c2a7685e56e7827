"""`shardboard restore` before it asks anybody: what it refuses, and a Redis that does not answer."""

from contracts.exit_codes import ExitCode
from shardboard.embedded.ports import free_ports
from tests.support.processes import Ended, command


async def restore(*words: str) -> Ended:
    environ = {"SHARDBOARD_SHARDS": f"s1=redis://127.0.0.1:{free_ports(1)[0]}/0"}
    return await command("restore", *words, cwd=None, **environ)


async def test_unknown_shard_and_bad_duration_are_usage_errors() -> None:
    unknown = await restore("--shard", "s9")
    assert (unknown.code, "s9 is not one of s1" in unknown.err) == (ExitCode.USAGE, True)
    assert (await restore("--shard", "s1", "--timeout", "soon")).code == ExitCode.USAGE
    assert (await restore("--shard", "s1", "--from", "memory")).code == ExitCode.USAGE


async def test_redis_that_does_not_answer_is_a_failure_that_names_the_shard() -> None:
    failed = await restore("--shard", "s1")
    assert failed.code == ExitCode.FAILED
    assert failed.err.startswith("shardboard: shard s1:")
