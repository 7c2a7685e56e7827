"""`status` of a deployment that runs."""

from contracts.exit_codes import ExitCode
from tests.integration.shardboard.conftest import NAMES, Here, until_all_up
from tests.support.wait import wait_until_sync


def test_status_tells_processes_lag_and_board(here: Here) -> None:
    here.act("ada")
    wait_until_sync(lambda: here.scores().get("ada", 0) > 0, timeout_s=20, what="Ada's score")
    until_all_up(here)
    status = here.status()[1]
    assert [process["name"] for process in status["processes"]] == NAMES
    assert {process["state"] for process in status["processes"]} == {"up"}
    assert sorted(p["partition"] for shard in status["shards"] for p in shard["partitions"]) == list(range(8))
    assert [shard["lag"] for shard in status["shards"]] == [0, 0]
    assert "ada" in [row["user_id"] for row in status["board"]["top"]]
    table = here.run("status")
    assert table.returncode == ExitCode.OK
    assert all(word in table.stdout for word in (*NAMES, "ada", "s2"))
