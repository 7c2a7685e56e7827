"""POST /moderation/…: hides, shows again, adjusts, takes an action back, erases. Each answer says: it is in the log."""

from collections.abc import Callable
from typing import Final
from uuid import UUID, uuid4

import msgspec

from contracts.clock import now_ms
from contracts.ids import ActionId, UserId
from gateway.http_actions import ActionDesk
from gateway.http_answers import JSON_TYPE, Receive, Scope, Send, header_of, send_answer, send_problem
from gateway.http_bodies import BodyReader, Disconnected
from gateway.http_guard import caller_in
from gateway.http_idempotency import IDEMPOTENCY_KEY, KeyedRequests
from gateway.moderation import ArchivedAction, Kind, ModerationReceipt, Order, VoidBody, order, parse_order
from gateway.postgres_actions import ArchivedActions
from gateway.problem import Problem
from gateway.token_rules import Caller

_encoder: Final = msgspec.json.Encoder()


class ModerationDesk:
    """What the five routes share."""

    def __init__(
        self, desk: ActionDesk, archive: ArchivedActions, *, bodies: BodyReader, keyed: KeyedRequests, ahead_ms: int
    ) -> None:
        self.bodies = bodies
        self.keyed = keyed
        self._desk = desk
        self._archive = archive
        self._ahead_ms = ahead_ms

    async def take(self, send: Send, kind: Kind, *, caller: Caller, data: bytes, new_id: Callable[[], UUID]) -> None:
        """Judge, write, answer: 201 only when the log acknowledged."""
        at_ms = now_ms()
        wanted = await self._judge(kind, data, caller=caller, at_ms=at_ms, new_id=new_id)
        if isinstance(wanted, Problem):
            return await send_problem(send, wanted)
        written = await self._desk.record(wanted.user_id, wanted.id, record=wanted.record)
        if isinstance(written, Problem):
            return await send_problem(send, written)
        receipt = ModerationReceipt(
            wanted.id, kind, wanted.user_id, wanted.points, written.partition, written.offset
        )  # fmt: skip
        return await send_answer(send, 201, headers=(JSON_TYPE,), body=_encoder.encode(receipt))

    async def _judge(
        self, kind: Kind, data: bytes, *, caller: Caller, at_ms: int, new_id: Callable[[], UUID]
    ) -> Order | Problem:
        body = parse_order(kind, data, now_ms=at_ms, ahead_ms=self._ahead_ms)
        if isinstance(body, Problem):
            return body
        found: ArchivedAction | None = None
        if isinstance(body, VoidBody):
            looked_up = await self._archive.find(UserId(body.user_id), ActionId(str(body.action_id)))
            if isinstance(looked_up, Problem):
                return looked_up
            found = looked_up
        return order(kind, body, by=caller.subject, now_ms=at_ms, new_id=new_id, found=found)


class ModerationEndpoint:
    """POST /moderation/<kind>."""

    def __init__(self, kind: Kind, desk: ModerationDesk) -> None:
        self._kind: Kind = kind
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        desk, caller = self._desk, caller_in(scope)
        try:
            body = await desk.bodies.read_json_of(scope, receive)
        except Disconnected:
            return None
        if isinstance(body, Problem):
            return await send_problem(send, body)

        async def carry_out(held: Send, new_id: Callable[[], UUID]) -> None:
            await desk.take(held, self._kind, caller=caller, data=body, new_id=new_id)

        key = header_of(scope, IDEMPOTENCY_KEY)
        if key is None:
            return await carry_out(send, uuid4)
        return await desk.keyed.answer(send, caller, header=key, path=scope["path"], body=body, carry_out=carry_out)
