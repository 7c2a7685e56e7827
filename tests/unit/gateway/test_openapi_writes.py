"""Batches, receipts and profiles stand in the document with their bodies and refusals."""

import pytest

from gateway.app import build_rest

DOCUMENT = build_rest({}, demo=None).openapi()


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/actions/batch", "post", "200 401 403 408 413 415 422 429 500 503"),
        ("/actions/{id}", "get", "200 401 403 404 422 500 503"),
        ("/users/{id}", "put", "200 401 403 408 413 415 422 429 500 503"),
    ],
)
def test_a_writing_route(path: str, method: str, statuses: str) -> None:
    operation = DOCUMENT["paths"][path][method]
    assert operation["security"] == [{"bearerToken": []}]
    assert sorted(operation["responses"]) == statuses.split()


def test_the_actions_of_a_batch_are_those_of_single_requests() -> None:
    actions = DOCUMENT["components"]["schemas"]["BatchBody"]["properties"]["actions"]
    assert (actions["maxItems"], actions["items"]) == (1_000, {"$ref": "#/components/schemas/ActionBody"})
