"""The OpenAPI description of the raw endpoints, from the same structs that decode and encode them. Pure."""

from typing import Any

import msgspec

from contracts.problems import (
    BOARD_UNAVAILABLE,
    FOREIGN_USER,
    INVALID_FIELD,
    LOG_UNAVAILABLE,
    OVERLOADED,
    TIMESTAMP_OUTSIDE_WINDOW,
    UNAUTHENTICATED,
    UNKNOWN_ACTION,
    UNKNOWN_PERIOD,
)
from gateway.openapi_authority import (
    AUTHORITY_STRUCTS,
    KEY_PARAMETER,
    KEY_PROBLEMS,
    TICKET_PROBLEMS,
    authority_paths,
)
from gateway.openapi_parts import (
    BODY_PROBLEMS,
    CALLER_PROBLEMS,
    REF,
    TOKEN,
    Document,
    ProblemDocument,
    json_answer,
    json_body,
    operation,
)
from gateway.openapi_reads import READ_STRUCTS, period_parameter, read_paths
from gateway.openapi_writes import WRITE_STRUCTS, write_paths, write_schemas
from gateway.submission import ActionBody, ActionReceipt


def describe(document: Document, *, demo: tuple[type, type] | None) -> Document:
    """Add the raw endpoints to FastAPI's document. `demo` is its body and its answer where there is a demo."""
    structs: list[Any] = [
        ActionBody, ActionReceipt, ProblemDocument, *READ_STRUCTS, *WRITE_STRUCTS, *AUTHORITY_STRUCTS, *(demo or ()),
    ]  # fmt: skip
    _, schemas = msgspec.json.schema_components(structs, ref_template=REF)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas | write_schemas())
    components["securitySchemes"] = {
        TOKEN: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "exp, iat, iss, aud, sub"}
    }
    paths = document.setdefault("paths", {})
    paths["/actions"] = {"post": _post_actions()}
    paths.update(authority_paths())
    paths.update(read_paths())
    paths.update(write_paths())
    paths["/leaderboard/stream"] = {"get": _get_stream()}
    if demo is not None:
        body, answer = demo
        paths["/demo"] = {
            "get": operation("List the demo's users and actions", json_answer(200, "The demo", schema=answer.__name__))
        }
        paths["/demo/actions"] = {"post": _post_demo(body.__name__)}
    return document


def _post_actions() -> Document:
    return {
        **operation(
            "Record an action",
            json_answer(201, "Recorded: durable in the log.", schema="ActionReceipt"),
            *CALLER_PROBLEMS, FOREIGN_USER, *BODY_PROBLEMS, UNKNOWN_ACTION, TIMESTAMP_OUTSIDE_WINDOW,
            *TICKET_PROBLEMS, *KEY_PROBLEMS, LOG_UNAVAILABLE, OVERLOADED,
        ),
        "security": [{TOKEN: []}],
        "parameters": [KEY_PARAMETER],
        "requestBody": json_body("ActionBody"),
    }  # fmt: skip


def _post_demo(body: str) -> Document:
    return {
        **operation(
            "Perform an action as a demo user",
            json_answer(201, "Recorded: durable in the log.", schema="ActionReceipt"),
            FOREIGN_USER, *BODY_PROBLEMS, UNKNOWN_ACTION, LOG_UNAVAILABLE, OVERLOADED,
        ),
        "requestBody": json_body(body),
    }  # fmt: skip


def _get_stream() -> Document:
    text = (
        "Server-sent events. `board`: the version as id, a BoardAnswer as data; before it `entered_top` and `left_top` "
        "for each user who came or went since the board that the client has. `you`, with `user`: that user's rank, "
        "score, total and points to the next place, whenever they changed; before it `overtaken` where others passed. "
        "`gap`: the board named in Last-Event-ID is not known any more, so that some of these are missing; the state "
        "follows. `heartbeat` every 10 s."
    )
    answers = {"200": {"description": text, "content": {"text/event-stream": {"schema": {"type": "string"}}}}}
    refused = (UNKNOWN_PERIOD, INVALID_FIELD, BOARD_UNAVAILABLE, OVERLOADED, UNAUTHENTICATED)
    string = {"type": "string"}
    return {
        **operation("Follow a board", answers, *refused),
        "security": [{}, {TOKEN: []}],
        "parameters": [
            period_parameter(),
            {"name": "user", "in": "query", "description": "whose place is told as well", "schema": string},
            {"name": "Last-Event-ID", "in": "header", "description": "the version at hand", "schema": string},
        ],
    }
