"""The OpenAPI description of batches, receipts and profiles. Pure."""

from typing import Any, Final

from contracts.problems import (
    FORBIDDEN,
    FOREIGN_USER,
    INVALID_FIELD,
    LOG_UNAVAILABLE,
    NOT_FOUND,
    OVERLOADED,
    SHARD_UNAVAILABLE,
)
from contracts.tokens import SCOPE_WRITE_ANY
from gateway.action_batch import ACTIONS_MAX, BatchAnswer, BatchBody
from gateway.openapi_parts import (
    BODY_PROBLEMS,
    CALLER_PROBLEMS,
    REF,
    TOKEN,
    Document,
    json_answer,
    json_body,
    operation,
)
from gateway.openapi_reads import user_parameter
from gateway.profiles import ProfileBody, ProfileReceipt
from gateway.receipts import Receipt

WRITE_STRUCTS: Final[tuple[Any, ...]] = (Receipt, ProfileBody, ProfileReceipt)


def write_paths() -> Document:
    """The paths by their names."""
    return {
        "/actions/batch": {"post": _post_batch()},
        "/actions/{id}": {"get": _get_receipt()},
        "/users/{id}": {"put": _put_user()},
    }


def write_schemas() -> Document:
    """Schemas of what is passed on as it is, which no struct describes."""
    action, problem = ({"$ref": REF.format(name=name)} for name in ("ActionBody", "ProblemDocument"))
    receipt = {"$ref": REF.format(name="ActionReceipt")}
    result = {
        "type": "object",
        "description": BatchAnswer.__doc__,
        "required": ["status"],
        "properties": {"status": {"type": "integer"}, "receipt": receipt, "problem": problem},
    }
    return {
        BatchBody.__name__: {
            "type": "object",
            "required": ["actions"],
            "additionalProperties": False,
            "properties": {"actions": {"type": "array", "minItems": 1, "maxItems": ACTIONS_MAX, "items": action}},
        },
        BatchAnswer.__name__: {
            "type": "object",
            "required": ["recorded", "results"],
            "properties": {"recorded": {"type": "integer"}, "results": {"type": "array", "items": result}},
        },
    }


def _post_batch() -> Document:
    return {
        **operation(
            "Record many actions",
            json_answer(200, "A result for each action, in order.", schema=BatchAnswer.__name__),
            *CALLER_PROBLEMS, FORBIDDEN, *BODY_PROBLEMS,
        ),
        "description": f"Needs the scope {SCOPE_WRITE_ANY}. All or none is not promised: each action is recorded or "
        "refused for itself, as by POST /actions. Give each an action_id, and the batch may be sent again.",
        "security": [{TOKEN: []}],
        "requestBody": json_body(BatchBody.__name__),
    }  # fmt: skip


def _get_receipt() -> Document:
    text: Document = {"type": "string"}
    return {
        **operation(
            "Read what became of an action",
            json_answer(200, "Accepted, applied, repeat, capped or dead; and where the user stands.", schema="Receipt"),
            *CALLER_PROBLEMS[:1], FOREIGN_USER, NOT_FOUND, INVALID_FIELD, SHARD_UNAVAILABLE,
        ),
        "description": "Without `offset` an action that is not applied yet is not found: nobody knows of it by its id.",
        "security": [{TOKEN: []}],
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {**text, "format": "uuid"}},
            {"name": "user_id", "in": "query", "description": "whose, for services; else the caller's", "schema": text},
            {"name": "offset", "in": "query", "description": "as the receipt of POST /actions said",
             "schema": {"type": "integer", "minimum": 0}},
        ],
    }  # fmt: skip


def _put_user() -> Document:
    return {
        **operation(
            "Change a user's name or metadata",
            json_answer(200, "Recorded: a name is on the tops within a second.", schema=ProfileReceipt.__name__),
            *CALLER_PROBLEMS, FOREIGN_USER, *BODY_PROBLEMS, LOG_UNAVAILABLE, OVERLOADED,
        ),
        "description": "Pages beyond the tops, and single ranks, show a name once the archive has it: some seconds "
        "later at most. Metadata is kept for the application: it is in the export of a user, not on boards.",
        "security": [{TOKEN: []}],
        "parameters": [user_parameter()],
        "requestBody": json_body(ProfileBody.__name__),
    }  # fmt: skip
