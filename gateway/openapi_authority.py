"""The OpenAPI description of tickets, moderation and the header Idempotency-Key. Pure."""

from typing import Any, Final

from contracts.problems import (
    ACTION_NOT_ARCHIVED,
    ACTION_NOT_COUNTED,
    ARCHIVE_UNAVAILABLE,
    FORBIDDEN,
    FOREIGN_USER,
    IDEMPOTENCY_CONFLICT,
    IDEMPOTENCY_MISMATCH,
    IDEMPOTENCY_UNAVAILABLE,
    LOG_UNAVAILABLE,
    OVERLOADED,
    TICKET_EARLY,
    TICKET_EXPIRED,
    TICKET_INVALID,
    TICKET_REQUIRED,
    UNKNOWN_ACTION,
    ProblemKind,
)
from contracts.tokens import SCOPE_MODERATE
from gateway.idempotency import KEY_PATTERN
from gateway.moderation import BODIES, KINDS, Kind, ModerationReceipt
from gateway.openapi_parts import BODY_PROBLEMS, CALLER_PROBLEMS, TOKEN, Document, json_answer, json_body, operation
from gateway.tickets import TicketAnswer, TicketBody

TICKET_PROBLEMS: Final = (TICKET_REQUIRED, TICKET_INVALID, TICKET_EARLY, TICKET_EXPIRED)
KEY_PROBLEMS: Final = (IDEMPOTENCY_CONFLICT, IDEMPOTENCY_MISMATCH, IDEMPOTENCY_UNAVAILABLE)
KEY_PARAMETER: Final[Document] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same body has the same answer, at any gateway, for SHARDBOARD_WINDOW_MS "
    "(default 15 minutes) from the first one. Each caller has keys of its own.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
}
AUTHORITY_STRUCTS: Final[tuple[Any, ...]] = (
    TicketBody,
    TicketAnswer,
    ModerationReceipt,
    *dict.fromkeys(BODIES.values()),
)
_SUMMARIES: Final[dict[Kind, str]] = {
    "hide": "Hide a user from every board",
    "unhide": "Show a hidden user again",
    "adjust": "Add or take points",
    "void": "Take one action back",
    "erase": "Erase a user",
}
_OWN_PROBLEMS: Final[dict[Kind, tuple[ProblemKind, ...]]] = {
    "void": (ACTION_NOT_ARCHIVED, ACTION_NOT_COUNTED, ARCHIVE_UNAVAILABLE)
}


def authority_paths() -> Document:
    """The paths by their names."""
    return {"/tickets": {"post": _post_tickets()}, **{f"/moderation/{kind}": {"post": _post(kind)} for kind in KINDS}}


def _post_tickets() -> Document:
    return {
        **operation(
            "Ask for a ticket",
            json_answer(201, "A ticket for one action, good once and in its time.", schema=TicketAnswer.__name__),
            *CALLER_PROBLEMS, FOREIGN_USER, *BODY_PROBLEMS, UNKNOWN_ACTION,
        ),
        "security": [{TOKEN: []}],
        "requestBody": json_body(TicketBody.__name__),
    }  # fmt: skip


def _post(kind: Kind) -> Document:
    text = "Recorded: durable in the log, in force a moment later, in the audit within seconds."
    return {
        **operation(
            _SUMMARIES[kind],
            json_answer(201, text, schema=ModerationReceipt.__name__),
            *CALLER_PROBLEMS, FORBIDDEN, *BODY_PROBLEMS, *_OWN_PROBLEMS.get(kind, ()), *KEY_PROBLEMS,
            LOG_UNAVAILABLE, OVERLOADED,
        ),
        "description": f"Needs the scope {SCOPE_MODERATE}.",
        "security": [{TOKEN: []}],
        "parameters": [KEY_PARAMETER],
        "requestBody": json_body(BODIES[kind].__name__),
    }  # fmt: skip
