"""Decides what to send for each line of a file, and what follows from each answer. Pure: no clock, network or chance.

Sending a line twice is safe because it always carries the same action id: the shards recognise a repeat for at least
the window of `contracts.counting`, and a line is given up long before that has passed.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from contracts.problems import INVALID_FIELD

ID_NAMESPACE: Final = UUID("6f1c1f0e-6a38-5d0c-9d3c-0d1f6b0e3f57")
"""Namespace of the ids that lines without one are given. A change would make a resumed file count twice."""
LINE_BYTES_MAX: Final = 64 * 1024
"""The gateway refuses bodies above 16 KiB; four times that still reaches it, so that its own words are reported."""
BAD_LINE: Final = "bad-line"
"""Reason for a line that could not be sent at all, beside the gateway's problem codes."""

_ACCEPTED: Final = 201
_UNAUTHENTICATED: Final = 401
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that say nothing final about the action: the gateway or a balancer before it is busy, broken or away."""
_DETAIL_CHARACTERS_MAX: Final = 300


class Timestamps(StrEnum):
    """What happens to the time that a line names."""

    NOW = "now"
    """It is left out: the gateway stamps the action when it arrives."""
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Sendable:
    """A line that can be sent: its number in the file, from 1, and the body for POST /actions."""

    number: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered."""

    status: int
    body: bytes = b""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came back in time, or the connection broke: the outcome is unknown."""

    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The action is in the log."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The action is not in the log, and sending the same again would not help."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Retry:
    """The outcome is unknown or the gateway is busy: send the same bytes again after this time."""

    after_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The gateway does not accept the token: a fresh one is needed, not another try."""

    detail: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No definite answer for too long: the whole replay stops, and can be resumed."""

    reason: str


Outcome = Accepted | Refused | Retry | TokenRefused | GiveUp


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How long a line is tried."""

    first_s: float = 0.1
    """Longer than a busy gateway needs to take a batch to Kafka."""
    longest_s: float = 5.0
    """Soon enough after the gateway's return, seldom enough to let it come up."""
    give_up_after_s: float = 120.0
    """Longer than a rolling restart, far below the 15 minutes in which a repeated id is recognised."""
    first_contact_s: float = 10.0
    """As long as nothing has answered yet, the address is more likely wrong than the gateway away."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The try that an answer belongs to."""

    count: int
    """1 for the first."""
    waited_s: float
    """Since the first try of this line."""
    has_contact: bool
    """Whether anything has answered during this replay."""


def prepare(number: int, raw: bytes, *, file_digest: str, timestamps: Timestamps) -> Sendable | Refused | None:
    """What to send for a line; Refused if it is not an action at all; None if it is blank."""
    text = raw.strip()
    if not text:
        return None
    if len(text) > LINE_BYTES_MAX:
        return Refused(BAD_LINE, f"longer than {LINE_BYTES_MAX} bytes")
    try:
        action = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Refused(BAD_LINE, f"not JSON: {error}")
    if not isinstance(action, dict):
        return Refused(BAD_LINE, "not a JSON object")
    if timestamps is Timestamps.NOW:
        action.pop("timestamp", None)
    if action.get("action_id") is None:
        action["action_id"] = line_id(file_digest, number)
    return Sendable(number, msgspec.json.encode(action))


def line_id(file_digest: str, number: int) -> str:
    """The action id of a line that names none: the same whenever the same file is sent."""
    return str(uuid5(ID_NAMESPACE, f"{file_digest}:{number}"))


def on_answer(attempt: Attempt, answer: Answer | NoAnswer, *, rules: RetryRules, jitter: float) -> Outcome:
    """What follows from an answer. `jitter`, from 0 to 1, spreads the retries of many connections."""
    if isinstance(answer, NoAnswer):
        return _again(attempt, answer.reason, rules=rules, least_s=0.0, jitter=jitter)
    if answer.status == _ACCEPTED:
        return Accepted()
    code, detail = read_problem(answer)
    if answer.status == _UNAUTHENTICATED:
        return TokenRefused(detail)
    if answer.status in _AGAIN:
        return _again(attempt, f"{code}: {detail}", rules=rules, least_s=answer.retry_after_s or 0.0, jitter=jitter)
    return Refused(code, detail)


def _again(attempt: Attempt, reason: str, *, rules: RetryRules, least_s: float, jitter: float) -> Retry | GiveUp:
    """Doubling pauses, of which at least half is always waited; never sooner than the gateway asked for."""
    doubled = rules.first_s * 2 ** min(attempt.count - 1, 30)
    after_s = max(min(rules.longest_s, doubled) * (0.5 + jitter / 2), least_s)
    patience_s = rules.give_up_after_s if attempt.has_contact else min(rules.give_up_after_s, rules.first_contact_s)
    if attempt.waited_s + after_s > patience_s:
        return GiveUp(f"no definite answer for {attempt.waited_s:.0f} s in {attempt.count} tries; the last: {reason}")
    return Retry(after_s, reason)


def read_problem(answer: Answer) -> tuple[str, str]:
    """Code and detail of a problem document (RFC 9457), or the bare status for anything else."""
    bare = f"http-{answer.status}"
    try:
        problem: Any = msgspec.json.decode(answer.body)
        kind = str(problem["type"])
        code = kind.rpartition(":")[2] if kind.startswith("urn:") else bare
        parts = [str(problem.get("detail") or problem.get("title") or "")]
        if code == INVALID_FIELD.code:
            parts += [f"{error['pointer']} {error['detail']}" for error in problem.get("errors", ())]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError):
        code, parts = bare, [answer.body.decode(errors="replace").strip()]
    detail = "; ".join(part for part in parts if part)
    return code, detail[:_DETAIL_CHARACTERS_MAX] or f"status {answer.status} without a problem document"
