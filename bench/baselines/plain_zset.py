"""The board that most teams write first: FastAPI, one ZSET in Redis, no log. Fast to write; a lost Redis loses all."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel, Field
from redis.asyncio import Redis

from bench.baselines.textbook import POINTS, claims_of

BOARD = "board"
CONNECTIONS_MAX = 1_000
"""A request holds one while it waits: with the client's own bound, 100, those beyond it would be answered with 500."""


class Action(BaseModel):
    """The body."""

    user_id: str = Field(min_length=1, max_length=128)
    action: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for the app."""
    async with Redis.from_url(
        os.environ["BENCH_REDIS"], decode_responses=True, max_connections=CONNECTIONS_MAX
    ) as redis:
        app.state.redis = redis
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/actions", status_code=201)
async def post_action(action: Action, _claims: Annotated[dict[str, Any], Depends(claims_of)]) -> dict[str, Any]:
    """Count it at once."""
    points = POINTS[action.action]
    return {"score": await app.state.redis.zincrby(BOARD, points, action.user_id)}


@app.get("/leaderboard")
async def leaderboard(limit: int = 10) -> list[dict[str, Any]]:
    """Read it at each request."""
    rows = await app.state.redis.zrevrange(BOARD, 0, limit - 1, withscores=True)
    return [{"rank": rank, "user_id": user, "score": score} for rank, (user, score) in enumerate(rows, 1)]
