"""Letters are marked as dropped, or deleted."""

from contracts.exit_codes import ExitCode
from tests.integration.shardboard.dead.test_replay import letter, letters, replay
from tests.support.command import valid
from tests.support.live_shards import Deployment


async def test_drop_marks_and_deletes(deployment: Deployment) -> None:
    numbers = [await letter(deployment, b"bad %d" % n, key=None) for n in range(4)]
    ended = await deployment.run("dead", "drop", str(numbers[0]), "-o", "json")
    assert (ended.code, valid(ended.out, "dead-drop")["dropped"]) == (ExitCode.OK, [numbers[0]])
    again = await deployment.run("dead", "drop", str(numbers[0]), str(numbers[1]))
    assert again.code == ExitCode.DIFFERENT
    assert f"letter {numbers[0]} was handled before" in again.out
    code, report = await replay(deployment, numbers[0])
    assert (code, report["sent"]) == (ExitCode.DIFFERENT, [])
    assert (await deployment.run("dead", "drop", "--before", str(numbers[2]))).code == ExitCode.OK
    assert [row["number"] for row in await letters(deployment, "--state", "all")] == numbers[2:]
    refused = await deployment.run("dead", "drop", "--before", str(numbers[3]))
    assert refused.code == ExitCode.REFUSED
    assert f"the first is {numbers[2]}" in refused.err
    assert (await deployment.run("dead", "drop", "--before", str(numbers[3]), "--yes")).code == ExitCode.OK
    assert [row["number"] for row in await letters(deployment)] == numbers[3:]
    assert (await deployment.run("dead", "drop", "--all")).code == ExitCode.OK
    assert (await deployment.run("dead", "drop", "--all")).code == ExitCode.NOTHING_TO_DO
