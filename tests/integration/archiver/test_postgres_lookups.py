"""What is found of the past of a batch, in every table and window."""

from typing import Any

from archiver.counted_memory import CapUse
from archiver.postgres_lookups import caps_of, limit_digest, past_of, states_of
from contracts.ids import Id16, Partition, UserId
from foundation.postgres_connect import Connection
from tests.support.histories import RULES

A, B, C = (Id16(letter * 16) for letter in (b"a", b"b", b"c"))
P, Q = Partition(1), Partition(2)
W = RULES.window_ms


async def insert(postgres: Connection, table: str, *rows: tuple[Any, ...]) -> None:
    marks = ", ".join(f"${n + 1}" for n in range(len(rows[0])))
    await postgres.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608


async def test_ids_are_found_in_rows_and_tombstones_of_their_own_partition(postgres: Connection) -> None:
    actions = "actions (partition, log_offset, log_ms, outcome, id16)"
    await postgres.executemany(
        f"INSERT INTO {actions} VALUES ($1, $2, $3, $4, $5)",  # noqa: S608
        [
            (P, 0, 3 * W, "counted", A), (P, 1, 5 * W, "counted", A), (P, 2, 6 * W, "repeat", A),
            (P, 3, 6 * W, "capped", B), (Q, 0, 6 * W, "counted", C), (P, 4, 2 * W - 1, "counted", C),
        ],
    )  # fmt: skip
    await insert(postgres, "tombstones", (P, B, 9, 4 * W), (P, B, 8, 2 * W - 1), (Q, A, 0, 2 * W - 1))
    past = await past_of(postgres, {P: {A, B, C}, Q: {A, B}}, since_ms=2 * W, rules=RULES)
    assert past.seen == {P: {A: 5, B: 4}, Q: {}}
    assert past.kept == {P: {}, Q: {}}


async def test_kept_ids_and_limits_are_found(postgres: Connection) -> None:
    await insert(postgres, "kept", (P, A, 77), (Q, B, 88))
    await insert(postgres, "caps", (P, limit_digest(("ann", "x")), 3, 2, 1), (Q, limit_digest(("ann", "y")), 4, 5, 6))
    past = await past_of(postgres, {P: {A, B}, Q: {A, B}}, since_ms=0, rules=RULES)
    assert past.kept == {P: {A: 77}, Q: {B: 88}}
    caps = await caps_of(postgres, {P: {("ann", "x"), ("ann", "y")}, Q: {("ann", "y")}})
    assert caps == {P: {("ann", "x"): CapUse(3, 2, 1)}, Q: {("ann", "y"): CapUse(4, 5, 6)}}


async def test_whole_states_are_found(postgres: Connection) -> None:
    ann, bob = UserId("ann"), UserId("bob")
    await insert(
        postgres, "scores", (P, ann, "all_time", 5, 1), (P, ann, "daily:2026-01-01", 3, 2), (P, bob, "x", 1, 1)
    )
    await insert(postgres, "hidden", (Q, bob, '{"all_time": [9, 8]}'))
    states = await states_of(postgres, {P: {ann}, Q: {bob}}, records={P: [], Q: []})
    assert states[P][ann].boards == {"all_time": (5, 1), "daily:2026-01-01": (3, 2)}
    assert states[P][ann].parked is None
    assert (states[Q][bob].boards, states[Q][bob].parked) == ({}, {"all_time": (9, 8)})
