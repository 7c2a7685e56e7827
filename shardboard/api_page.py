"""The page docs/api.md: made from the gateway's own description of its routes, so that it cannot promise another."""

from typing import Any, Final

from gateway.app import build_rest
from gateway.routes_page import read_files

_HEAD: Final = """# HTTP interface

<!-- Made by `shardboard docs api > docs/api.md`. Change the texts in gateway/openapi_*.py, then make it anew. -->

The same as OpenAPI 3.1 is at `/openapi.json` of every gateway.

- **Tokens.** `Authorization: Bearer …`, a JWT with `exp`, `iat`, `iss`, `aud` and `sub`; `shardboard token` makes one.
  Boards are public unless the deployment says otherwise.
- **Refusals** are problem documents (RFC 9457), `application/problem+json`: `type` is `urn:shardboard:problem:<code>`,
  and the code is stable. `errors` names each field by a JSON pointer.
- **Repeats.** An action sent again with its `action_id` within 15 minutes counts once, whatever became of the first. So
  a `503`, or no answer at all, is answered by sending the same again.
- **Sizes.** A body has at most 16 KiB unless its route says otherwise; unknown fields are refused.
"""
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def api_page() -> str:
    """The whole page: every route of a production gateway."""
    document = build_rest(read_files(), demo=None).openapi()
    parts = [_HEAD]
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                parts += _route(method, path, operation=operations[method], schemas=document["components"]["schemas"])
    return "\n".join(parts)


def _route(method: str, path: str, *, operation: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    parts = [
        f"## {method.upper()} {path}",
        "",
        f"**{operation['summary']}.** {operation.get('description', '')}".strip(),
        "",
    ]
    inputs = [_parameter(each) for each in operation.get("parameters", ())] + _fields(operation, schemas)
    if inputs:
        parts += ["| In | Name | Type | Meaning |", "|---|---|---|---|", *inputs, ""]
    answers = [
        f"| {status} | {_cell(answer.get('description', ''))} |" for status, answer in operation["responses"].items()
    ]
    return [*parts, "| Answer | Meaning |", "|---|---|", *answers, ""]


def _parameter(parameter: dict[str, Any]) -> str:
    needed = ", required" if parameter.get("required") else ""
    kind = f"{_type(parameter.get('schema', {}))}{needed}"
    return f"| {parameter['in']} | `{parameter['name']}` | {kind} | {_cell(parameter.get('description', ''))} |"


def _fields(operation: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """The members of a JSON body that is one object."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = schemas.get(content.get("$ref", "").rpartition("/")[2], content)
    required = schema.get("required", ())
    members = schema.get("properties", {}).items()
    return [
        _parameter({**each, "in": "body", "name": n, "schema": each, "required": n in required}) for n, each in members
    ]


def _type(schema: dict[str, Any]) -> str:
    """The type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(each) for each in schema[several]))
    kind = str(schema.get("type", "any"))
    return f"{kind} of {_type(schema['items'])}" if kind == "array" and "items" in schema else kind


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
