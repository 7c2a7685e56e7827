"""Wrong use of `shardboard dead` is told."""

from contracts.exit_codes import ExitCode
from tests.support.live_shards import Deployment


async def test_wrong_use_is_told(deployment: Deployment) -> None:
    assert (await deployment.run("dead", "replay")).code == ExitCode.USAGE
    assert (await deployment.run("dead", "replay", "1", "--all")).code == ExitCode.USAGE
    assert (await deployment.run("dead", "drop", "--before", "1", "--all")).code == ExitCode.USAGE
    missing = await deployment.run("dead", "show", "12345")
    assert missing.code == ExitCode.REFUSED
    assert "there is no dead letter 12345" in missing.err
