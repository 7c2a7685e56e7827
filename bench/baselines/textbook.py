"""POST /actions as the libraries' tutorials show it: FastAPI, a pydantic body, PyJWT, and `send_and_wait` for each."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
from aiokafka import AIOKafkaProducer
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from contracts.tokens import AUDIENCE_DEFAULT, ISSUER_DEFAULT

POINTS = {"commit": 10, "docs": 5}
bearer = HTTPBearer()


class Action(BaseModel):
    """The body."""

    user_id: str = Field(min_length=1, max_length=128)
    action: str
    timestamp: datetime | None = None
    action_id: UUID = Field(default_factory=uuid4)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One producer for the app, as durable as the gateway's."""
    async with AIOKafkaProducer(
        bootstrap_servers=os.environ["BENCH_KAFKA"], acks="all", enable_idempotence=True
    ) as producer:
        app.state.producer = producer
        yield


app = FastAPI(lifespan=lifespan)


def claims_of(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, Any]:
    """Who calls."""
    try:
        claims: dict[str, Any] = jwt.decode(
            credentials.credentials, os.environ["BENCH_SECRET"], ["HS256"],
            audience=AUDIENCE_DEFAULT, issuer=ISSUER_DEFAULT,
        )  # fmt: skip
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    return claims


@app.post("/actions", status_code=201)
async def post_action(action: Action, claims: Annotated[dict[str, Any], Depends(claims_of)]) -> dict[str, Any]:
    """Price it, store it, answer."""
    if claims["sub"] != action.user_id and "actions:write:any" not in claims.get("scope", ""):
        raise HTTPException(403)
    points = POINTS.get(action.action)
    if points is None:
        raise HTTPException(422)
    value = action.model_dump_json().encode()
    stored = await app.state.producer.send_and_wait(os.environ["BENCH_TOPIC"], value, key=action.user_id.encode())
    return {"action_id": action.action_id, "points": points, "partition": stored.partition, "offset": stored.offset}
