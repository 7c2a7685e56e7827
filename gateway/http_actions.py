"""POST /actions as raw ASGI: media type, bounded body, judgement, log, receipt. The hot path behind http_guard.py."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from contracts.clock import now_ms
from contracts.ids import ActionId, Partition, UserId
from contracts.metric_names import ACTIONS_REFUSED
from contracts.problems import LOG_UNAVAILABLE, OVERLOADED
from foundation.metrics import Metrics
from gateway.http_answers import BODY, JSON_TYPE, Receive, Scope, Send, send_answer, send_problem
from gateway.http_bodies import BodyReader, Disconnected
from gateway.http_fresh_ids import FreshIds
from gateway.http_guard import caller_in
from gateway.http_idempotency import IDEMPOTENCY_KEY, KeyedRequests
from gateway.http_untasked import in_task
from gateway.kafka_log import Acknowledged, ActionLog, Lost, Place, Refusal
from gateway.problem import Problem
from gateway.submission import NewId, Submission, SubmissionRules, judge, parse_body
from gateway.token_rules import Caller

RETRY_AFTER: Final = (b"retry-after", b"1")
"""A second: the pending actions of one process are worked off in about that time."""


class Written(NamedTuple):
    """A record that the log acknowledged."""

    partition: Partition
    offset: int | None
    """None: a retry inside Kafka's client lost the place."""


class ActionDesk:
    """Takes the body of an action by a known caller, and answers. Shared by POST /actions and the demo."""

    def __init__(self, log: ActionLog, rules: SubmissionRules, *, metrics: Metrics) -> None:
        self._log = log
        self._rules = rules
        self._refused = metrics.counter(ACTIONS_REFUSED)
        self._fresh_ids = FreshIds()

    async def take(self, send: Send, caller: Caller, *, body: bytes, at_ms: int, new_id: NewId | None = None) -> None:
        """Judge, write, answer: 201 only when the log acknowledged."""
        judged = self.judge(body, caller, at_ms=at_ms, new_id=new_id)
        if isinstance(judged, Problem):
            return await self.refuse(send, judged)
        return await self.write(send, judged)

    def judge(self, body: bytes, caller: Caller, *, at_ms: int, new_id: NewId | None = None) -> Submission | Problem:
        """What a body is worth, or why it is refused. Where the client gave no id it gets a random one, or `new_id`."""
        parsed = parse_body(body)
        if isinstance(parsed, Problem):
            return parsed
        return judge(parsed, caller, now_ms=at_ms, rules=self._rules, new_id=new_id or self._fresh_ids)

    async def write(self, send: Send, action: Submission) -> None:
        """Write a judged action, and answer."""
        written = await self.record(action.user_id, action.action_id, record=action.record)
        if isinstance(written, Problem):
            return await self.refuse(send, written)
        return await send_answer(send, 201, headers=(JSON_TYPE,), body=receipt_of(action, written))

    async def record(self, user_id: UserId, action_id: ActionId, *, record: bytes) -> Written | Problem:
        """Write a record of a user, and say where it is once the log acknowledged, or why that is not known."""
        place = self._log.append(user_id, record)
        if isinstance(place, Refusal):
            return _not_taken(place, action_id)
        return _written(place, await place.batch.outcome, action_id=action_id)

    async def record_all(self, actions: Sequence[Submission]) -> list[Written | Problem]:
        """As `record` for each of them: all go to the log before the first is waited for."""
        places = [self._log.append(action.user_id, action.record) for action in actions]
        outcomes = {batch: await batch.outcome for batch in {p.batch for p in places if isinstance(p, Place)}}
        return [
            _not_taken(place, action.action_id)
            if isinstance(place, Refusal)
            else _written(place, outcomes[place.batch], action_id=action.action_id)
            for place, action in zip(places, actions, strict=True)
        ]

    def count_refusal(self, problem: Problem) -> None:
        """Count a problem that is answered by somebody else."""
        self._refused.labels(problem.kind.code).inc()

    async def refuse(self, send: Send, problem: Problem) -> None:
        """Answer with a problem, and count it."""
        self.count_refusal(problem)
        await send_problem(send, problem)


def _written(place: Place, outcome: Acknowledged | Lost, *, action_id: ActionId) -> Written | Problem:
    if isinstance(outcome, Lost):
        return _lost(outcome, action_id)
    base = outcome.base_offset
    return Written(place.partition, None if base is None else base + place.nth)


class ActionsEndpoint:
    """POST /actions."""

    def __init__(self, desk: ActionDesk, bodies: BodyReader, *, keyed: KeyedRequests) -> None:
        self._desk = desk
        self._bodies = bodies
        self._keyed = keyed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        media_type = length = key = None
        for name, value in scope["headers"]:
            if name == b"content-type":
                media_type = value
            elif name == b"content-length":
                length = value
            elif name == IDEMPOTENCY_KEY:
                key = value if key is None else key + b"," + value
        at_ms = now_ms()
        try:
            body = await self._bodies.read_json(receive, media_type=media_type, length=length, whole=scope.get(BODY))
        except Disconnected:
            return None
        if isinstance(body, Problem):
            return await self._desk.refuse(send, body)
        caller = caller_in(scope)
        if key is None:
            return await self._desk.take(send, caller, body=body, at_ms=at_ms)
        await in_task()

        async def carry_out(held: Send, new_id: Callable[[], UUID]) -> None:
            await self._desk.take(held, caller, body=body, at_ms=at_ms, new_id=new_id)

        return await self._keyed.answer(send, caller, header=key, path=scope["path"], body=body, carry_out=carry_out)


def receipt_of(action: Submission, written: Written) -> bytes:
    """An ActionReceipt."""
    offset = b"null" if written.offset is None else b"%d" % written.offset
    return b'{"action_id":"%b","points":%d,"partition":%d,"offset":%b}' % (
        action.action_id.encode(), action.points, written.partition, offset,
    )  # fmt: skip


def _not_taken(refusal: Refusal, action_id: ActionId) -> Problem:
    if refusal is Refusal.OVERLOADED:
        return Problem(
            OVERLOADED,
            "Too many actions are waiting for the log; this one was not recorded.",
            members={"action_id": action_id},
            headers=(RETRY_AFTER,),
        )
    return _lost(Lost.NOT_SENT, action_id)


def _lost(outcome: Lost, action_id: ActionId) -> Problem:
    said = {
        Lost.UNANSWERED: "The log did not acknowledge the action in time, so its outcome is unknown: it may have been "
        "recorded. Retry with this action_id; it counts once.",
        Lost.NOT_SENT: "The log is unavailable, the action was not recorded. Retry with this action_id.",
    }
    return Problem(LOG_UNAVAILABLE, said[outcome], members={"action_id": action_id}, headers=(RETRY_AFTER,))


def demo_caller(user_id: UserId, name: str, *, at_ms: int) -> Caller:
    """A demo user, who needs no token."""
    return Caller(subject=user_id, name=name, expires_ms=at_ms)
