"""Every reading route stands in the document with its parameters, its answer and its refusals."""

import pytest

from gateway.app import build_rest

PATHS = build_rest({}, demo=None).openapi()["paths"]


@pytest.mark.parametrize(
    ("path", "method", "parameters", "statuses"),
    [
        ("/leaderboard", "get", "period limit cursor rank score users If-None-Match", "200 304 401 404 422 500 503"),
        ("/users/{id}/rank", "get", "id period", "200 401 404 422 500 503"),
        ("/users/{id}/around", "get", "id period before after", "200 401 404 422 500 503"),
        ("/ranks", "post", "", "200 401 404 408 413 415 422 500 503"),
        ("/periods", "get", "kind before limit", "200 404 422 500"),
    ],
)
def test_a_reading_route(path: str, method: str, parameters: str, statuses: str) -> None:
    operation = PATHS[path][method]
    assert [parameter["name"] for parameter in operation.get("parameters", [])] == parameters.split()
    assert sorted(operation["responses"]) == statuses.split()


def test_a_board_has_two_shapes() -> None:
    content = PATHS["/leaderboard"]["get"]["responses"]["200"]["content"]["application/json"]
    assert [shape["$ref"].rpartition("/")[2] for shape in content["schema"]["oneOf"]] == ["BoardAnswer", "PageAnswer"]
