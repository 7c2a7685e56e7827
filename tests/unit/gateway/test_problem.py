"""A problem becomes its document."""

import msgspec

from contracts.problems import INVALID_FIELD, FieldError
from gateway.problem import Problem


def test_the_document_has_everything_that_the_problem_has() -> None:
    problem = Problem(INVALID_FIELD, "no", errors=(FieldError("#/a", "bad"),), members={"action_id": "7", "gone": None})
    assert msgspec.json.decode(problem.body()) == {
        "type": "urn:shardboard:problem:invalid-field",
        "title": INVALID_FIELD.title,
        "status": 422,
        "detail": "no",
        "errors": [{"pointer": "#/a", "detail": "bad"}],
        "action_id": "7",
    }
