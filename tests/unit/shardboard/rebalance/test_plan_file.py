"""A plan file is applied as it was made, to the map that it was made for, or not at all."""

from dataclasses import replace

import msgspec
import pytest

from contracts.ids import Epoch
from contracts.moves import MoveOrder, PlanRecord, StoredMap
from contracts.shard_map import ShardEntry
from shardboard.rebalance import change
from shardboard.rebalance.change import NewShard
from shardboard.rebalance.draft import Occasion, draft_plan
from shardboard.rebalance.plan_file import (
    PLAN_BYTES_MAX,
    BadPlan,
    PlanFile,
    check_fits,
    content_of,
    deployment_name,
    map_seal,
    order_of,
    read_plan,
    write_plan,
)
from tests.support.clusters import (
    DEPLOYMENT,
    S1,
    S2,
    S3,
    S4,
    cluster,
    entry,
    figures,
    moving,
    paused,
    with_entries,
    with_owner,  # fmt: skip
)

STORED = cluster(S1, S2, S3)
URL = "redis://new:6379/0"


def plan(stored: StoredMap = STORED) -> PlanFile:
    asked = change.add(stored, [NewShard(S4, URL)])
    return draft_plan(
        asked, stored, figures=figures(stored), reports=[], occasion=Occasion("ann@host", 1_700_000_000_000, DEPLOYMENT)
    )


def test_a_plan_is_read_as_it_was_written() -> None:
    made = plan()
    assert read_plan(write_plan(made)) == made
    check_fits(made, STORED, deployment=DEPLOYMENT)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"partition": ', '"partition": 1'), ('"target": "s4"', '"target": "s1"'), (URL, "redis://evil:6379/0")],
    ids=["partition", "target", "address"],
)
def test_an_edited_plan_is_refused(old: str, new: str) -> None:
    text = write_plan(plan()).decode()
    edited = text.replace(old, new, 1)
    assert edited != text
    with pytest.raises(BadPlan, match="was changed after it was made"):
        read_plan(edited.encode())


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"\xff\xfe", b'{"version": 2}', b"x" * (PLAN_BYTES_MAX + 1)],
    ids=["empty", "no plan", "a list", "no text", "another version", "too large"],
)
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    with pytest.raises(BadPlan, match="is no plan"):
        read_plan(data)


def test_unknown_fields_are_refused_rather_than_dropped() -> None:
    value = msgspec.json.decode(write_plan(plan()))
    with pytest.raises(BadPlan, match="surprise"):
        read_plan(msgspec.json.encode({**value, "surprise": 1}))


@pytest.mark.parametrize(
    "now",
    [
        with_owner(STORED, 5, epoch=Epoch(2)),
        with_owner(STORED, 5, shard=S1 if STORED.map and STORED.map.owners[5].shard != S1 else S2),
        moving(STORED, 5, target=S1),
        with_entries(STORED, entry(S2, 300)),
        with_entries(STORED, entry(S2, is_leaving=True)),
    ],
    ids=["epoch", "owner", "under way", "weight", "leaving"],
)
def test_a_stale_plan_is_refused(now: StoredMap) -> None:
    with pytest.raises(BadPlan, match="is stale: the map was at version 3 when it was made and is at 9 now"):
        check_fits(plan(), replace(now, version=9), deployment=DEPLOYMENT)


def test_a_plan_stays_fresh_when_only_limits_and_those_that_joined_changed() -> None:
    made = plan()
    now = replace(with_entries(paused(STORED), ShardEntry(S4, URL, 100)), version=9)
    check_fits(made, now, deployment=DEPLOYMENT)
    assert map_seal(now) == made.map_seal
    assert order_of(made, now).map_version == 9, "it is the map that was looked at, or the store refuses"


def test_a_plan_for_another_deployment_is_refused() -> None:
    with pytest.raises(BadPlan, match="is for another deployment: cluster/actions, this one is other/actions"):
        check_fits(plan(), STORED, deployment="other/actions")
    with pytest.raises(BadPlan, match="is for 64 partitions, this deployment has 8"):
        check_fits(plan(), cluster(S1, S2, S3, partitions=8), deployment=DEPLOYMENT)


def test_a_new_shard_that_joined_elsewhere_meanwhile_is_refused() -> None:
    with pytest.raises(BadPlan, match="which has joined at redis://s4:6379/0"):
        check_fits(plan(), with_entries(STORED, entry(S4)), deployment=DEPLOYMENT)


def test_the_order_is_what_the_plan_says() -> None:
    made = plan()
    order = order_of(made, STORED)
    assert order.moves == tuple(MoveOrder(m.partition, m.source, m.target) for m in made.moves)  # type: ignore[arg-type]
    assert order.joining == (ShardEntry(S4, URL, 100),)
    assert (order.map_version, order.checksum, order.undoes) == (3, made.checksum, None)
    record = PlanRecord(1, order.checksum, 1, "ann", 4, "running", order.content)
    assert content_of(record) == made
    assert order_of(made, with_entries(STORED, ShardEntry(S4, URL, 100))).joining == ()


def test_a_leaving_shard_is_written_with_its_address() -> None:
    asked = change.remove(STORED, [S3])
    made = draft_plan(asked, STORED, figures=figures(STORED), reports=[], occasion=Occasion("a", 1, DEPLOYMENT))
    assert [(shard.shard, shard.url) for shard in made.leaving] == [("s3", "redis://s3:6379/0")]
    assert order_of(made, STORED).leaving == {S3}


def test_a_deployment_is_named_by_its_mark() -> None:
    assert deployment_name({"deployment": "abc", "topic": "actions", "partitions": "8"}) == "abc/actions"
