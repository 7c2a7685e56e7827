"""The OpenAPI description of the raw endpoints, from the same structs that decode and encode them. Pure."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from contracts.problems import (
    BOARD_UNAVAILABLE,
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    FOREIGN_USER,
    INTERNAL,
    INVALID_FIELD,
    LOG_UNAVAILABLE,
    MALFORMED_BODY,
    MEDIA_TYPE,
    OVERLOADED,
    TIMESTAMP_OUTSIDE_WINDOW,
    UNAUTHENTICATED,
    UNKNOWN_ACTION,
    UNKNOWN_PERIOD,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemKind,
)
from contracts.tops import GLOBAL_TOP_ROWS
from gateway.board_bytes import BoardAnswer
from gateway.board_query import LIMIT_DEFAULT
from gateway.submission import ActionBody, ActionReceipt

_REF: Final = "#/components/schemas/{name}"
_TOKEN: Final = "bearerToken"  # noqa: S105  the name of the scheme

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


def describe(document: Document, *, demo: tuple[type, type] | None) -> Document:
    """Add the raw endpoints to FastAPI's document. `demo` is its body and its answer where there is a demo."""
    structs: list[Any] = [ActionBody, ActionReceipt, BoardAnswer, ProblemDocument, *(demo or ())]
    _, schemas = msgspec.json.schema_components(structs, ref_template=_REF)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas)
    components["securitySchemes"] = {
        _TOKEN: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "HS256; exp, iss, aud, sub"}
    }
    paths = document.setdefault("paths", {})
    paths["/actions"] = {"post": _post_actions()}
    paths["/leaderboard"] = {"get": _get_board()}
    paths["/leaderboard/stream"] = {"get": _get_stream()}
    if demo is not None:
        body, answer = demo
        paths["/demo"] = {
            "get": _operation("List the demo's users and actions", _json(200, "The demo", schema=answer.__name__))
        }
        paths["/demo/actions"] = {"post": _post_demo(body.__name__)}
    return document


def _post_actions() -> Document:
    return {
        **_operation(
            "Record an action",
            _json(201, "Recorded: durable in the log.", schema="ActionReceipt"),
            UNAUTHENTICATED, FOREIGN_USER, BODY_TOO_LARGE, BODY_TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY,
            INVALID_FIELD, UNKNOWN_ACTION, TIMESTAMP_OUTSIDE_WINDOW, LOG_UNAVAILABLE, OVERLOADED,
        ),
        "security": [{_TOKEN: []}],
        "requestBody": _body("ActionBody"),
    }  # fmt: skip


def _post_demo(body: str) -> Document:
    return {
        **_operation(
            "Perform an action as a demo user",
            _json(201, "Recorded: durable in the log.", schema="ActionReceipt"),
            FOREIGN_USER, BODY_TOO_LARGE, BODY_TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY, INVALID_FIELD,
            UNKNOWN_ACTION, LOG_UNAVAILABLE, OVERLOADED,
        ),
        "requestBody": _body(body),
    }  # fmt: skip


def _get_board() -> Document:
    answers = {
        **_json(200, "The board.", schema="BoardAnswer", headers={"ETag": {"schema": {"type": "string"}}}),
        "304": {"description": "Not changed since the version in If-None-Match."},
    }
    limit = {"type": "integer", "minimum": 1, "maximum": GLOBAL_TOP_ROWS, "default": LIMIT_DEFAULT}
    return {
        **_operation("Read a board", answers, UNKNOWN_PERIOD, INVALID_FIELD, BOARD_UNAVAILABLE),
        "parameters": [
            _period(),
            {"name": "limit", "in": "query", "description": "rows", "schema": limit},
            {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}},
        ],
    }


def _get_stream() -> Document:
    text = "Server-sent events: `board` with the version as id and a BoardAnswer as data, `heartbeat` every 10 s."
    answers = {"200": {"description": text, "content": {"text/event-stream": {"schema": {"type": "string"}}}}}
    return {
        **_operation("Follow a board", answers, UNKNOWN_PERIOD, INVALID_FIELD, BOARD_UNAVAILABLE, OVERLOADED),
        "parameters": [
            _period(),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "the version at hand",
                "schema": {"type": "string"},
            },
        ],
    }


def _period() -> Document:
    text = "all_time, daily, weekly, monthly (the current one), or an id such as daily:2026-11-24, weekly:2026-W48"
    schema = {"type": "string", "default": "all_time"}
    return {"name": "period", "in": "query", "description": text, "schema": schema}


def _operation(summary: str, answers: Document, *problems: ProblemKind) -> Document:
    by_status: dict[int, list[ProblemKind]] = {}
    for problem in (*problems, INTERNAL):
        by_status.setdefault(problem.status, []).append(problem)
    refused = {
        str(status): {
            "description": " · ".join(f"{kind.code}: {kind.title}" for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="ProblemDocument")}}},
        }
        for status, kinds in sorted(by_status.items())
    }
    return {"summary": summary, "operationId": summary.lower().replace(" ", "_"), "responses": {**answers, **refused}}


def _json(status: int, description: str, *, schema: str, headers: Document | None = None) -> Document:
    answer: Document = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": _REF.format(name=schema)}}},
    }
    if headers:
        answer["headers"] = headers
    return {str(status): answer}


def _body(schema: str) -> Document:
    return {"required": True, "content": {"application/json": {"schema": {"$ref": _REF.format(name=schema)}}}}
