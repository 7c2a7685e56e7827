"""PUT /users/{id}: a profile's way into the log."""

from uuid import uuid4

import msgspec

from contracts.clock import now_ms
from gateway.http_actions import ActionDesk
from gateway.http_answers import JSON_TYPE, Receive, Scope, Send, id_in, send_answer
from gateway.http_bodies import BodyReader, Disconnected
from gateway.http_guard import caller_in
from gateway.problem import Problem
from gateway.profiles import judge_profile, parse_profile, profile_receipt


class UserEndpoint:
    """PUT /users/{id}. The same again changes nothing: the newest in the log's order is the user's."""

    def __init__(self, desk: ActionDesk, bodies: BodyReader) -> None:
        self._desk = desk
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200 only when the log acknowledged."""
        try:
            data = await self._bodies.read_json_of(scope, receive)
        except Disconnected:
            return None
        body = data if isinstance(data, Problem) else parse_profile(data)
        if isinstance(body, Problem):
            return await self._desk.refuse(send, body)
        user = id_in(scope)
        judged = judge_profile(user, body, caller=caller_in(scope), now_ms=now_ms(), new_id=uuid4)
        if isinstance(judged, Problem):
            return await self._desk.refuse(send, judged)
        written = await self._desk.record(judged.user_id, judged.action_id, record=judged.record)
        if isinstance(written, Problem):
            return await self._desk.refuse(send, written)
        receipt = profile_receipt(user, body, partition=written.partition, offset=written.offset)
        return await send_answer(send, 200, headers=(JSON_TYPE,), body=msgspec.json.encode(receipt))
