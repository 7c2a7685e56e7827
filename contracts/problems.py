"""Errors of the HTTP interface as RFC 9457 problem details: their codes, statuses and bytes."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

MEDIA_TYPE: Final = "application/problem+json"
_PREFIX: Final = "urn:shardboard:problem:"


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of refusal: its code is stable, machines may rely on it."""

    code: str
    status: int
    title: str

    @property
    def type(self) -> str:
        """The URN that identifies the kind."""
        return _PREFIX + self.code


UNAUTHENTICATED: Final = ProblemKind("unauthenticated", 401, "A valid token is required")
FORBIDDEN: Final = ProblemKind("forbidden", 403, "The token does not permit this")
FOREIGN_USER: Final = ProblemKind("foreign-user", 403, "A user may only act for themselves")
MALFORMED_BODY: Final = ProblemKind("malformed-body", 422, "The body is not valid JSON")
INVALID_FIELD: Final = ProblemKind("invalid-field", 422, "A field is not valid")
UNKNOWN_ACTION: Final = ProblemKind("unknown-action", 422, "The catalogue has no such action")
TIMESTAMP_OUTSIDE_WINDOW: Final = ProblemKind("timestamp-outside-window", 422, "The timestamp is too old or too new")
BODY_TOO_LARGE: Final = ProblemKind("body-too-large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE: Final = ProblemKind("unsupported-media-type", 415, "The body must be application/json")
METHOD_NOT_ALLOWED: Final = ProblemKind("method-not-allowed", 405, "The resource does not support this method")
NOT_FOUND: Final = ProblemKind("not-found", 404, "No such resource")
UNKNOWN_PERIOD: Final = ProblemKind("unknown-period", 404, "No such board")
RATE_LIMITED: Final = ProblemKind("rate-limited", 429, "Too many requests")
IDEMPOTENCY_CONFLICT: Final = ProblemKind("idempotency-conflict", 409, "The same request is still running")
IDEMPOTENCY_MISMATCH: Final = ProblemKind("idempotency-mismatch", 422, "The key was used with another body")
IDEMPOTENCY_UNAVAILABLE: Final = ProblemKind("idempotency-unavailable", 503, "The memory of idempotency keys is away")
TICKET_REQUIRED: Final = ProblemKind("ticket-required", 422, "The action needs a ticket")
TICKET_INVALID: Final = ProblemKind("ticket-invalid", 422, "The ticket does not permit this")
TICKET_EARLY: Final = ProblemKind("ticket-early", 422, "The ticket may not be used yet")
TICKET_EXPIRED: Final = ProblemKind("ticket-expired", 422, "The ticket has expired")
ACTION_NOT_ARCHIVED: Final = ProblemKind("action-not-archived", 404, "The archive has no such action")
ACTION_NOT_COUNTED: Final = ProblemKind("action-not-counted", 409, "There is nothing to take back")
ARCHIVE_UNAVAILABLE: Final = ProblemKind("archive-unavailable", 503, "The archive is away")
BODY_TOO_SLOW: Final = ProblemKind("body-too-slow", 408, "The body did not arrive in time")
HEADERS_TOO_SLOW: Final = ProblemKind("headers-too-slow", 408, "The headers did not arrive in time")
HEADERS_TOO_LARGE: Final = ProblemKind("headers-too-large", 431, "The headers are too large")
MALFORMED_REQUEST: Final = ProblemKind("malformed-request", 400, "The request is not HTTP")
INTERNAL: Final = ProblemKind("internal", 500, "The server failed")
LOG_UNAVAILABLE: Final = ProblemKind("log-unavailable", 503, "The action's outcome is unknown")
OVERLOADED: Final = ProblemKind("overloaded", 503, "Too many actions are waiting")
KEYS_UNAVAILABLE: Final = ProblemKind("keys-unavailable", 503, "Tokens cannot be checked yet")
SHARD_UNAVAILABLE: Final = ProblemKind("shard-unavailable", 503, "Part of the board cannot be read at the moment")
BOARD_UNAVAILABLE: Final = ProblemKind("board-unavailable", 503, "No board can be read yet")

ALL: Final = tuple(value for value in list(globals().values()) if isinstance(value, ProblemKind))


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid member of a body; `pointer` is a JSON Pointer as URI fragment, such as `#/user_id`."""

    pointer: str
    detail: str


def problem_body(kind: ProblemKind, detail: str, *, errors: tuple[FieldError, ...] = (), **members: Any) -> bytes:
    """The problem's JSON; `members` are extension members such as `action_id`, left out when None."""
    body: dict[str, Any] = {"type": kind.type, "title": kind.title, "status": kind.status, "detail": detail}
    if errors:
        body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    body.update((name, value) for name, value in members.items() if value is not None)
    return msgspec.json.encode(body)
