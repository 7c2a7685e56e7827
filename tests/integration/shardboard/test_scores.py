"""`scores` of a deployment that runs."""

import re

from tests.integration.shardboard.conftest import Here
from tests.support.command import valid
from tests.support.wait import wait_until_sync


def test_scores_are_the_same_in_every_output(here: Here) -> None:
    for user in ("ben", "cleo", "cleo"):
        here.act(user)
    wait_until_sync(lambda: here.scores().get("cleo") == 20, timeout_s=20, what="Cleo's score")
    document = valid(here.run("scores", "-o", "json").stdout, "scores")
    assert {row["user_id"]: row["score"] for row in document["scores"]} == here.scores()
    daily = valid(here.run("scores", "-p", "daily", "-o", "json").stdout, "scores")
    assert re.fullmatch(r"daily:\d{4}-\d\d-\d\d", daily["period"])
    assert {row["user_id"]: row["score"] for row in daily["scores"]} == here.scores()
    by_shard = [here.run("scores", "--shard", shard).stdout.splitlines() for shard in ("s1", "s2")]
    assert sum(map(len, by_shard)) == len(here.scores())
    assert "cleo" in here.run("scores", "-o", "table").stdout
