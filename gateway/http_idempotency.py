"""Carries out requests that have the header Idempotency-Key.

1. Note in the store that the key runs. 2. Carry the request out, its answer held back. 3. Keep the answer. 4. Send it.
Stopped after 1 or 2, the key is free after 30 s, and the next run has the same action id: it counts once. Stopped after
3, whoever asks again gets the answer."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from foundation.logs import get_log
from gateway.http_answers import Message, Send, send_answer, send_problem
from gateway.idempotency import (
    KeyedRequest,
    Remembered,
    earlier_answer,
    is_final,
    needs_store,
    parse_key,
    unavailable,
)
from gateway.problem import Problem
from gateway.redis_idempotency import IdempotencyStore, StoreAway
from gateway.token_rules import Caller

IDEMPOTENCY_KEY: Final = b"idempotency-key"
CarryOut = Callable[[Send, Callable[[], UUID]], Awaitable[None]]
"""Answers through the given Send; ids that the client left to us come from the given function."""
_RUN_BYTES: Final = 16


class KeyedRequests:
    """The requests of one gateway that have a key."""

    def __init__(self, store: IdempotencyStore) -> None:
        self._store = store
        self._is_away = False

    async def answer(
        self, send: Send, caller: Caller, *, header: bytes, path: str, body: bytes, carry_out: CarryOut
    ) -> None:
        """Answer one request, by carrying it out or from the store."""
        request = parse_key(caller.subject, header, path=path, body=body)
        if isinstance(request, Problem):
            return await send_problem(send, request)
        running = Remembered(request.digest, secrets.token_bytes(_RUN_BYTES))
        try:
            stored = await self._store.begin(request, running)
        except StoreAway as error:
            self._note_away(error)
            if needs_store(caller):
                return await send_problem(send, unavailable())
            return await carry_out(send, lambda: request.action_id)
        self._is_away = False
        if stored is not None:
            return await _answer_again(send, earlier_answer(stored, request))
        return await self._run(send, request, running=running, carry_out=carry_out)

    async def _run(self, send: Send, request: KeyedRequest, *, running: Remembered, carry_out: CarryOut) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await carry_out(hold, lambda: request.action_id)
        start, *pieces = held
        try:
            if is_final(start["status"], start["headers"]):
                body = b"".join(piece.get("body", b"") for piece in pieces)
                answer = Remembered(running.digest, running.run, start["status"], tuple(start["headers"]), body)
                await self._store.keep(request, running, answer=answer)
            else:
                await self._store.release(request, running)
        except StoreAway as error:  # what was done is done, and its id is known to the log's readers
            self._note_away(error)
        for message in held:
            await send(message)

    def _note_away(self, error: StoreAway) -> None:
        if not self._is_away:
            get_log().warning("idempotency_store_away", error=str(error))
        self._is_away = True


async def _answer_again(send: Send, earlier: Remembered | Problem) -> None:
    if isinstance(earlier, Problem):
        return await send_problem(send, earlier)
    headers = [(name, value) for name, value in earlier.headers if name != b"content-length"]
    return await send_answer(send, earlier.status, headers=headers, body=earlier.body)
