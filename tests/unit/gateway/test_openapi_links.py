"""Every link leads from an answer that exists to an operation that exists, with a body that it takes."""

from typing import Any

from gateway.app import build_rest
from gateway.openapi_links import with_links

DOCUMENT: dict[str, Any] = build_rest({}, demo=None, actions=("commit", "docs")).openapi()
OPERATIONS = {each["operationId"]: each for path in DOCUMENT["paths"].values() for each in path.values()}


def links() -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, link)
        for operation in OPERATIONS.values()
        for answer in operation["responses"].values()
        for name, link in answer.get("links", {}).items()
    ]


def test_links_lead_to_operations_that_take_what_they_bring() -> None:
    assert len(links()) >= 11
    for name, link in links():
        target = OPERATIONS[link["operationId"]]
        assert set(link.get("parameters", {})) <= {each["name"] for each in target.get("parameters", ())}, name
        if "requestBody" in link:
            reference = target["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
            assert set(schema["required"]) <= set(link["requestBody"]) <= set(schema["properties"]), name


def test_the_names_of_the_actions_are_told() -> None:
    for body in ("ActionBody", "TicketBody"):
        assert DOCUMENT["components"]["schemas"][body]["properties"]["action"]["enum"] == ["commit", "docs"]


def test_links_of_operations_that_are_not_there_are_left_out() -> None:
    answer: dict[str, Any] = {}
    paths = {"/moderation/hide": {"post": {"operationId": "hide", "responses": {"201": answer}}}}
    with_links({"paths": paths, "components": {"schemas": {}}}, ())
    assert answer["links"] == {}
