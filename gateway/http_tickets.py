"""POST /tickets: asks for a ticket before the action. Nothing is stored: the ticket itself holds all that is known."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import UNSET

from contracts.catalogue import CatalogueEntry
from contracts.clock import now_ms
from contracts.ids import UserId, user_id_fault
from contracts.problems import FOREIGN_USER, UNKNOWN_ACTION
from contracts.tokens import SCOPE_WRITE_ANY
from gateway.http_answers import JSON_TYPE, Receive, Scope, Send, send_answer, send_problem
from gateway.http_bodies import BodyReader, Disconnected
from gateway.http_guard import caller_in
from gateway.problem import Problem
from gateway.strict_body import invalid, parse_strict
from gateway.tickets import TicketAnswer, TicketBody, give, seal
from gateway.token_rules import Caller

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_STORE: Final = (b"cache-control", b"no-store")


_decoder = msgspec.json.Decoder(TicketBody)
_encoder = msgspec.json.Encoder()


class TicketsEndpoint:
    """POST /tickets."""

    def __init__(self, catalogue: Mapping[str, CatalogueEntry], bodies: BodyReader, *, key: bytes) -> None:
        self._catalogue = catalogue
        self._bodies = bodies
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await self._bodies.read_json_of(scope, receive)
        except Disconnected:
            return None
        answer = body if isinstance(body, Problem) else self._answer(body, caller_in(scope))
        if isinstance(answer, Problem):
            return await send_problem(send, answer)
        return await send_answer(send, 201, headers=(JSON_TYPE, _NO_STORE), body=_encoder.encode(answer))

    def _answer(self, data: bytes, caller: Caller) -> TicketAnswer | Problem:
        body = parse_strict(data, _decoder)
        if isinstance(body, Problem):
            return body
        user_id = caller.subject if body.user_id is UNSET else UserId(body.user_id)
        fault = user_id_fault(user_id)
        if fault is not None:
            return invalid("user_id", fault)
        if user_id != caller.subject and not caller.may_write_any:
            return Problem(FOREIGN_USER, f"Asking for another user's ticket needs the scope {SCOPE_WRITE_ANY}.")
        entry = self._catalogue.get(body.action)
        if entry is None:
            return Problem(UNKNOWN_ACTION, f"The catalogue has no action {body.action!r}.")
        if entry.ticket is None:
            return invalid("action", "needs no ticket")
        ticket = give(entry, action_id=uuid4(), now_ms=now_ms())
        text = seal(ticket, user_id, action=entry.name, key=self._key)
        return TicketAnswer(
            text, ticket.action_id, user_id, entry.name, _time(ticket.usable_from_ms), _time(ticket.expires_ms)
        )


def _time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
