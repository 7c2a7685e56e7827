"""The document describes what is served, and is a valid OpenAPI 3.1 document in its references."""

from typing import Any

from gateway.app import build_rest
from gateway.http_demo import DemoAnswer, DemoBody


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(value) for value in node.values()))
    return set().union(*(references(value) for value in node)) if isinstance(node, list) else set()


def test_every_route_and_every_reference_is_there() -> None:
    document = build_rest({}, demo=(DemoBody, DemoAnswer)).openapi()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        *("/actions", "/tickets", "/leaderboard", "/leaderboard/stream", "/demo", "/demo/actions"),
        *("/users/{id}/rank", "/users/{id}/around", "/ranks", "/periods"),
        *("/actions/batch", "/actions/{id}", "/users/{id}"),
        *(f"/moderation/{kind}" for kind in ("hide", "unhide", "adjust", "void", "erase")),
    }
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known


def test_the_demo_stands_there_only_where_it_is_served() -> None:
    assert "/demo" not in build_rest({}, demo=None).openapi()["paths"]


def test_an_action_needs_a_token_and_lists_every_refusal() -> None:
    operation = build_rest({}, demo=None).openapi()["paths"]["/actions"]["post"]
    assert operation["security"] == [{"bearerToken": []}]
    assert set(operation["responses"]) == {"201", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503"}
    assert "timestamp-outside-window" in operation["responses"]["422"]["description"]


def test_a_body_has_no_other_members() -> None:
    schema = build_rest({}, demo=None).openapi()["components"]["schemas"]["ActionBody"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["user_id", "action"]
