"""The reading routes over HTTP, on shards whose boards the test wrote: what they answer, and what they refuse."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from contracts.clock import now_ms
from contracts.periods import PeriodCalendar
from gateway.cursors import LIFE_MS, Cursor, CursorSigner
from tests.support.ranked_boards import LOG_MS, Ground, ranked_boards
from tests.support.running_gateway import RunningGateway, running_gateway, token_for
from tests.support.wait import wait_until

PARTITIONS = 4
SECRET = "a secret of the tests, of 32 bytes and more"
DAILY = PeriodCalendar("all_time,daily").current("daily", now_ms())


@pytest.fixture
async def ground(gateway_env: dict[str, str], valkey_url: str) -> AsyncIterator[Ground]:
    async with ranked_boards(valkey_url, shards=2, partitions=PARTITIONS, first=1) as ground:
        gateway_env |= {"SHARDBOARD_SHARDS": ground.setting, "SHARDBOARD_JWT_SECRET": SECRET}
        yield ground


@pytest.fixture
async def reading(ground: Ground, gateway_env: dict[str, str]) -> AsyncIterator[RunningGateway]:
    """A gateway that knows the map."""
    await ground.put({"ada": (50, 1), "bob": (40, 9), "cy": (40, 2), "dan": (10, 5), "a/b, c": (5, 6), "eve": (30, 3)})
    await ground.hide("eve")
    async with running_gateway(gateway_env) as running:

        async def knows_the_map() -> bool:
            return (await running.get("/users/ada/rank")).status == 200

        await wait_until(knows_the_map, timeout_s=20, what="the gateway to know the shard map")
        yield running


def bearer(user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_for(user, secret=SECRET)}"}


async def test_a_rank_with_all_that_belongs_to_it(reading: RunningGateway) -> None:
    answer = await reading.get("/users/cy/rank?period=all_time")
    assert answer.headers["Cache-Control"] == "no-store"
    assert LOG_MS <= answer.json.pop("as_of") < LOG_MS + PARTITIONS
    assert answer.json == {
        "period": "all_time",
        "user_id": "cy",
        "name": None,
        "rank": 2,
        "score": 40,
        "total": 5,
        "percentile": 80.0,
        "to_next": 10,
        "exact": True,
    }
    assert (await reading.get(f"/users/{quote('a/b, c', safe='')}/rank")).json["rank"] == 5


async def test_a_hidden_user_is_seen_by_himself_only(reading: RunningGateway) -> None:
    for headers in ({}, bearer("ada")):
        answer = await reading.get("/users/eve/rank", **headers)
        assert (answer.status, answer.code) == (404, "not-found")
        assert (await reading.get("/users/eve/around", **headers)).status == 404
        shown = await reading.get("/leaderboard?users=eve,ada", **headers)
        assert [entry["user_id"] for entry in shown.json["entries"]] == ["ada"]
    own = (await reading.get("/users/eve/rank", **bearer("eve"))).json
    assert (own["rank"], own["score"], own["total"]) == (4, 30, 6)
    assert "hidden" not in own, "who is hidden notices nothing"
    around = (await reading.get("/users/eve/around?before=1&after=1", **bearer("eve"))).json
    assert [(entry["rank"], entry["user_id"]) for entry in around["entries"]] == [(2, "bob"), (4, "eve"), (4, "dan")]
    assert (await reading.get("/users/eve/rank", Authorization="Bearer x.y.z")).code == "unauthenticated"


async def test_neighbours_and_cursors_that_lead_on_from_them(reading: RunningGateway) -> None:
    around = (await reading.get("/users/cy/around?before=1&after=1")).json
    assert [(entry["rank"], entry["user_id"]) for entry in around["entries"]] == [(1, "ada"), (2, "cy"), (2, "bob")]
    assert around["previous"] is None
    below = (await reading.get(f"/leaderboard?cursor={around['next']}")).json
    assert [entry["user_id"] for entry in below["entries"]] == ["dan", "a/b, c"]
    alone = (await reading.get("/users/cy/around?before=0&after=0")).json
    assert [entry["user_id"] for entry in alone["entries"]] == ["cy"]


async def test_pages_down_and_up_again(reading: RunningGateway) -> None:
    pages = [(await reading.get("/leaderboard?rank=1&limit=2")).json]
    while pages[-1]["next"] is not None:
        pages.append((await reading.get(f"/leaderboard?limit=2&cursor={pages[-1]['next']}")).json)
    assert [[entry["user_id"] for entry in page["entries"]] for page in pages] == [
        ["ada", "cy"], ["bob", "dan"], ["a/b, c"],
    ]  # fmt: skip
    assert [entry["rank"] for page in pages for entry in page["entries"]] == [1, 2, 2, 4, 5]
    assert pages[0]["previous"] is None
    up = (await reading.get(f"/leaderboard?limit=2&period=all_time&cursor={pages[-1]['previous']}")).json
    assert up["entries"] == pages[1]["entries"]
    assert (await reading.get(f"/leaderboard?limit=2&cursor={up['previous']}")).json["entries"] == pages[0]["entries"]
    assert (await reading.get(f"/leaderboard?limit=2&cursor={up['next']}")).json["entries"] == pages[2]["entries"]


async def test_jumps_to_a_rank_and_to_a_score(reading: RunningGateway) -> None:
    async def first(query: str) -> list[Any]:
        return [
            (entry["rank"], entry["user_id"]) for entry in (await reading.get(f"/leaderboard?{query}")).json["entries"]
        ]

    assert await first("rank=2&limit=1") == [(2, "cy")]
    assert await first("rank=3&limit=1") == [(2, "cy")]
    assert await first("rank=5") == [(5, "a/b, c")]
    assert await first("rank=6") == []
    assert await first("score=40&limit=2") == [(2, "cy"), (2, "bob")]
    assert await first("score=39&limit=1") == [(4, "dan")]
    assert await first("score=-1") == []
    jumped = (await reading.get("/leaderboard?rank=4&limit=1")).json
    above = (await reading.get(f"/leaderboard?limit=9&cursor={jumped['previous']}")).json
    assert [entry["user_id"] for entry in above["entries"]] == ["ada", "cy", "bob"]


async def test_some_users_on_the_board_and_friends_among_themselves(reading: RunningGateway) -> None:
    query = "/leaderboard?users=dan,a%2Fb%2C%20c,nobody,bob"
    async with reading.http.get(URL(reading.url + query, encoded=True)) as response:
        shown = await response.json()
    assert [(entry["rank"], entry["user_id"]) for entry in shown["entries"]] == [(2, "bob"), (4, "dan"), (5, "a/b, c")]
    assert (shown["next"], shown["previous"], shown["total"]) == (None, None, 5)
    body = {"users": ["dan", "bob", "nobody", "cy", "dan", "eve"]}
    async with reading.http.post(f"{reading.url}/ranks", json=body) as response:
        friends = await response.json()
    assert [(e["rank"], e["rank_among"], e["user_id"], e["score"]) for e in friends["entries"]] == [
        (2, 1, "cy", 40), (2, 1, "bob", 40), (4, 3, "dan", 10),
    ]  # fmt: skip
    assert friends["missing"] == ["nobody", "eve"]


async def test_a_thousand_friends(reading: RunningGateway, ground: Ground) -> None:
    await ground.put({f"friend-{n}": (n, 1) for n in range(1_000)}, period=DAILY.id)
    body = {"users": [f"friend-{n}" for n in range(1_000)], "period": "daily"}
    async with reading.http.post(f"{reading.url}/ranks", json=body) as response:
        friends = await response.json()
    assert [entry["rank"] for entry in friends["entries"]] == list(range(1, 1_001))


async def test_the_board_in_memory_is_read_as_before(reading: RunningGateway) -> None:
    answer = await reading.get("/leaderboard?period=daily&limit=3&other=1")
    assert (answer.status, answer.json["version"], "ETag" in answer.headers) == (200, 0, True)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/users/nobody/rank", 404, "not-found"),
        ("/users/ada/rank?period=daily", 404, "not-found"),
        ("/users/ada/rank?period=monthly", 404, "unknown-period"),
        ("/users/ada/rank?period=daily:2999-01-01", 404, "unknown-period"),
        ("/users/ada/rank?period=daily:2026-13-01", 422, "invalid-field"),
        ("/users/ada/rank?period=x&period=y", 422, "invalid-field"),
        ("/users/ada/around?before=51", 422, "invalid-field"),
        ("/users/ada/around?after=-1", 422, "invalid-field"),
        ("/users/ada/around?after=x", 422, "invalid-field"),
        ("/leaderboard?rank=0", 422, "invalid-field"),
        ("/leaderboard?rank=1&limit=101", 422, "invalid-field"),
        ("/leaderboard?rank=1&limit=0", 422, "invalid-field"),
        ("/leaderboard?rank=1&score=2", 422, "invalid-field"),
        ("/leaderboard?score=9007199254740992", 422, "invalid-field"),
        ("/leaderboard?score=1.5", 422, "invalid-field"),
        ("/leaderboard?cursor=", 422, "invalid-field"),
        ("/leaderboard?cursor=%F0%9F%8E%89", 422, "invalid-field"),
        ("/leaderboard?users=", 422, "invalid-field"),
        ("/leaderboard?users=ada,,bob", 422, "invalid-field"),
        ("/leaderboard?users=" + ",".join(f"u{n}" for n in range(101)), 422, "invalid-field"),
        ("/leaderboard?rank=1&period=daily:2001-01-01", 404, "unknown-period"),
        ("/leaderboard?period=daily:2001-01-01", 404, "unknown-period"),
        ("/users//rank", 404, "not-found"),
        ("/periods?kind=hourly", 404, "unknown-period"),
        ("/periods?before=daily:2026-01-01", 422, "invalid-field"),
        ("/periods?kind=daily&before=weekly:2026-W01", 422, "invalid-field"),
        ("/periods?kind=daily&before=x", 422, "invalid-field"),
        ("/periods?limit=1000", 422, "invalid-field"),
    ],
)
async def test_bad_input_is_refused(reading: RunningGateway, path: str, status: int, code: str) -> None:
    answer = await reading.get(path)
    assert (answer.status, answer.code) == (status, code)


async def test_cursors_that_are_not_ours_or_old_or_of_another_board(reading: RunningGateway) -> None:
    def cursor(secret: str, *, expires_ms: int) -> str:
        return CursorSigner(secret).write(Cursor("all_time", 40, 2, "cy", False, expires_ms))  # type: ignore[arg-type]

    now = now_ms()
    good = cursor(SECRET, expires_ms=now + LIFE_MS)
    assert (await reading.get(f"/leaderboard?cursor={good}")).status == 200
    forged = good[:-1] + ("A" if good[-1] != "A" else "B")
    for text in (
        forged,
        cursor("another" * 8, expires_ms=now + LIFE_MS),
        cursor(SECRET, expires_ms=now - 1),
        "x" * 400,
    ):
        answer = await reading.get(f"/leaderboard?cursor={text}")
        assert (answer.status, answer.code) == (422, "invalid-field")
        assert answer.json["errors"][0]["pointer"] == "#/cursor"
    assert (await reading.get(f"/leaderboard?cursor={good}&period=daily")).status == 422


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"users":[]}', b'{"users":[""]}', b'{"users":"a"}', b'{"users":["a"],"period":7}',
     b'{"users":["\\u0000"]}', b'{"users":["a"],"more":1}', b'{"users":["' + b"a" * 129 + b'"]}',
     b'{"users":[' + b'"a",' * 1_000 + b'"b"]}'],
)  # fmt: skip
async def test_bad_lists_of_friends_are_refused(reading: RunningGateway, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with reading.http.post(f"{reading.url}/ranks", data=body, headers=headers) as response:
        assert response.status == 422


async def test_a_shard_that_is_away_is_a_503_that_says_when_to_come_back(
    reading: RunningGateway, ground: Ground
) -> None:
    await ground.redis[ground.shards[0]].flushdb()
    for path in ("/users/ada/rank", "/users/ada/around", "/leaderboard?rank=1", "/leaderboard?users=ada"):
        answer = await reading.get(path)
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "shard-unavailable", "1")
    assert (await reading.get("/leaderboard")).status == 200


async def test_periods_that_go_on(reading: RunningGateway) -> None:
    answer = (await reading.get("/periods")).json
    assert [(kind["kind"], kind["zone"], kind["closed"]) for kind in answer["kinds"]] == [
        ("all_time", "UTC", []), ("daily", "UTC", []), ("weekly", "UTC", []),
    ]  # fmt: skip
    daily = answer["kinds"][1]["current"]
    assert daily["start"] <= answer["now"] < daily["end"]
    assert daily["seconds_left"] == -(-(daily["end"] - answer["now"]) // 1000)
    assert answer["kinds"][0]["current"] == {"period": "all_time", "start": 0, "end": None, "seconds_left": None}
    assert [kind["kind"] for kind in (await reading.get("/periods?kind=daily")).json["kinds"]] == ["daily"]
