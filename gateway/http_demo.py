"""The demo's two routes: who is there, and an action performed as one of them. Mounted only where SHARDBOARD_DEMO=1."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from contracts.catalogue import CatalogueEntry
from contracts.clock import now_ms
from contracts.demo_users import BY_ID, DEMO_USERS
from contracts.ids import UserId
from contracts.problems import FOREIGN_USER, INVALID_FIELD, MALFORMED_BODY
from gateway.field_faults import field_error
from gateway.http_actions import ActionDesk, demo_caller
from gateway.http_answers import JSON_TYPE, Receive, Scope, Send, send_answer
from gateway.http_bodies import BodyReader, Disconnected
from gateway.problem import Problem

ACTIONS_SHOWN_MAX: Final = 20
"""The panel is a short list of radio buttons."""


class DemoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who does what."""

    user_id: Annotated[str, Meta(min_length=1, max_length=128)]
    action: Annotated[str, Meta(min_length=1, max_length=64)]


class DemoPerson(msgspec.Struct, frozen=True):
    """Somebody whom the page may act as."""

    user_id: str
    name: str


class DemoAction(msgspec.Struct, frozen=True):
    """Something that the page may do."""

    name: str
    description: str
    points: int


class DemoAnswer(msgspec.Struct, frozen=True):
    """What the demo offers."""

    users: tuple[DemoPerson, ...]
    actions: tuple[DemoAction, ...]


_decoder = msgspec.json.Decoder(DemoBody)


class DemoList:
    """GET /demo."""

    def __init__(self, catalogue: Mapping[str, CatalogueEntry]) -> None:
        shown = [entry for entry in catalogue.values() if entry.ticket is None][:ACTIONS_SHOWN_MAX]
        self._body = msgspec.json.encode(
            DemoAnswer(
                users=tuple(DemoPerson(user.user_id, user.name) for user in DEMO_USERS),
                actions=tuple(DemoAction(entry.name, entry.description, entry.points) for entry in shown),
            )
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """Answer one request."""
        await send_answer(send, 200, headers=(JSON_TYPE, (b"cache-control", b"no-cache")), body=self._body)


class DemoActions:
    """POST /demo/actions: the same way into the log as everybody's, as a demo user."""

    def __init__(self, desk: ActionDesk, bodies: BodyReader) -> None:
        self._desk = desk
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await self._bodies.read_json_of(scope, receive)
        except Disconnected:
            return None
        if isinstance(body, Problem):
            return await self._desk.refuse(send, body)
        try:
            wanted = _decoder.decode(body)
        except msgspec.ValidationError as error:
            problem = Problem(
                INVALID_FIELD, "The body does not have the right shape.", errors=(field_error(str(error)),)
            )
            return await self._desk.refuse(send, problem)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return await self._desk.refuse(send, Problem(MALFORMED_BODY, str(error)))
        person = BY_ID.get(UserId(wanted.user_id))
        if person is None:
            return await self._desk.refuse(
                send, Problem(FOREIGN_USER, "Only demo users act here; GET /demo lists them.")
            )
        at_ms = now_ms()
        caller = demo_caller(person.user_id, person.name, at_ms=at_ms)
        return await self._desk.take(send, caller, body=body, at_ms=at_ms)
