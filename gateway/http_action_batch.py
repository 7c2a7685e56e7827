"""POST /actions/batch, for game servers: one request and one wait for the log, a result for each action."""

from contracts.clock import now_ms
from contracts.problems import INVALID_FIELD
from gateway.action_batch import BATCH_BYTES_MAX, batch_answer, parse_batch, recorded, refused
from gateway.http_actions import ActionDesk, receipt_of
from gateway.http_answers import JSON_TYPE, Receive, Scope, Send, header_of, send_answer
from gateway.http_bodies import BodyReader, Disconnected
from gateway.http_guard import caller_in
from gateway.http_idempotency import IDEMPOTENCY_KEY
from gateway.problem import Problem
from gateway.submission import Submission


class BatchEndpoint:
    """POST /actions/batch."""

    def __init__(self, desk: ActionDesk, bodies: BodyReader) -> None:
        self._desk = desk
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200 as soon as the batch was read, whatever came of its actions."""
        if header_of(scope, IDEMPOTENCY_KEY) is not None:
            said = "A batch takes no Idempotency-Key: each action has an action_id of its own, which does the same."
            return await self._desk.refuse(send, Problem(INVALID_FIELD, said))
        at_ms = now_ms()
        try:
            body = await self._bodies.read_json_of(scope, receive, bytes_max=BATCH_BYTES_MAX)
        except Disconnected:
            return None
        bodies = body if isinstance(body, Problem) else parse_batch(body)
        if isinstance(bodies, Problem):
            return await self._desk.refuse(send, bodies)
        caller = caller_in(scope)
        judged = [self._desk.judge(each, caller, at_ms=at_ms) for each in bodies]
        return await send_answer(send, 200, headers=(JSON_TYPE,), body=await self._record(judged))

    async def _record(self, judged: list[Submission | Problem]) -> bytes:
        good = [each for each in judged if isinstance(each, Submission)]
        written = iter(await self._desk.record_all(good))
        results: list[bytes] = []
        count = 0
        for each in judged:
            outcome = each if isinstance(each, Problem) else next(written)
            if isinstance(outcome, Problem):
                self._desk.count_refusal(outcome)
                results.append(refused(outcome))
            else:
                assert isinstance(each, Submission)
                results.append(recorded(receipt_of(each, outcome)))
                count += 1
        return batch_answer(results, good=count)
