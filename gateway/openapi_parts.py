"""What every operation of the OpenAPI description is made of: its refusals, its body, its answer. Pure."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from contracts.problems import (
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    INTERNAL,
    INVALID_FIELD,
    KEYS_UNAVAILABLE,
    MALFORMED_BODY,
    MEDIA_TYPE,
    RATE_LIMITED,
    UNAUTHENTICATED,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemKind,
)

REF: Final = "#/components/schemas/{name}"
TOKEN: Final = "bearerToken"  # noqa: S105  the name of the scheme
BODY_PROBLEMS: Final = (BODY_TOO_LARGE, BODY_TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY, INVALID_FIELD)
"""Of every operation that takes a body."""
CALLER_PROBLEMS: Final = (UNAUTHENTICATED, RATE_LIMITED)
"""Of every operation that needs a token."""

_LIMIT_HEADERS: Final = ("Retry-After", "RateLimit", "RateLimit-Policy")

Document = dict[str, Any]


class FieldFault(msgspec.Struct, frozen=True):
    """One invalid field."""

    pointer: Annotated[str, Meta(description="JSON Pointer as URI fragment, such as #/user_id")]
    detail: str


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refusal (RFC 9457). `type` is urn:shardboard:problem:<code>."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldFault, ...] | msgspec.UnsetType = msgspec.UNSET
    action_id: Annotated[str, Meta(description="the id to retry with")] | msgspec.UnsetType = msgspec.UNSET


def operation(summary: str, answers: Document, *problems: ProblemKind) -> Document:
    """One operation: its answers, and its refusals by status."""
    by_status: dict[int, list[ProblemKind]] = {}
    # Where tokens are checked, the issuer's keys may not be there yet.
    for problem in (*problems, *((KEYS_UNAVAILABLE,) if UNAUTHENTICATED in problems else ()), INTERNAL):
        by_status.setdefault(problem.status, []).append(problem)
    refused: Document = {
        str(status): {
            "description": " · ".join(f"{kind.code}: {kind.title}" for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="ProblemDocument")}}},
        }
        for status, kinds in sorted(by_status.items())
    }
    if "429" in refused:
        refused["429"]["headers"] = {name: {"schema": {"type": "string"}} for name in _LIMIT_HEADERS}
    return {"summary": summary, "operationId": summary.lower().replace(" ", "_"), "responses": {**answers, **refused}}


def json_answer(status: int, description: str, *, schema: str, headers: Document | None = None) -> Document:
    """A good answer in JSON; `schema` is the name of its struct."""
    answer: Document = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": REF.format(name=schema)}}},
    }
    if headers:
        answer["headers"] = headers
    return {str(status): answer}


def json_body(schema: str) -> Document:
    """A required body in JSON; `schema` is the name of its struct."""
    return {"required": True, "content": {"application/json": {"schema": {"$ref": REF.format(name=schema)}}}}
