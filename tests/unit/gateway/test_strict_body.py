"""A body has exactly one meaning, or is refused."""

import msgspec
import pytest

from contracts.problems import INVALID_FIELD, MALFORMED_BODY, ProblemKind
from gateway.problem import Problem
from gateway.strict_body import parse_strict


class Body(msgspec.Struct, forbid_unknown_fields=True):
    who: str
    more: int = 0


DECODER = msgspec.json.Decoder(Body)


@pytest.mark.parametrize(
    ("data", "kind", "pointer"),
    [
        (b"", MALFORMED_BODY, None),
        (b'{"who":"a"', MALFORMED_BODY, None),
        (b'{"who":"\xff"}', MALFORMED_BODY, None),
        (b'{"who":"a"} {}', MALFORMED_BODY, None),
        (b'{"more":1}', INVALID_FIELD, "#/who"),
        (b'{"who":1}', INVALID_FIELD, "#/who"),
        (b'{"who":"a","what":1}', INVALID_FIELD, "#/what"),
        (b'{"who":"a","who":"b"}', INVALID_FIELD, "#/who"),
        (b'{"who":"a","\\u0077ho":"b"}', INVALID_FIELD, "#/who"),
    ],
)
def test_what_is_not_one_thing_is_refused(data: bytes, kind: ProblemKind, pointer: str | None) -> None:
    problem = parse_strict(data, DECODER)
    assert isinstance(problem, Problem)
    assert problem.kind is kind
    assert [error.pointer for error in problem.errors] == ([pointer] if pointer else [])


def test_a_good_body_comes_through() -> None:
    assert parse_strict(b'{"who":"a","more":2}', DECODER) == Body("a", 2)
