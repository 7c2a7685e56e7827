"""A batch is taken apart without judging its actions."""

from uuid import UUID

import msgspec

from contracts.problems import UNKNOWN_ACTION
from gateway.action_batch import BatchAnswer, batch_answer, parse_batch, recorded, refused
from gateway.problem import Problem
from gateway.submission import ActionReceipt


def test_actions_stay_as_they_were_sent() -> None:
    assert parse_batch(b'{"actions":[{"a": 1}, [], "x"]}') == [b'{"a": 1}', b"[]", b'"x"']
    for bad in (b"", b'{"actions":[]}', b'{"actions":[1],"b":2}', b'{"actions":[}', b"\xff", b"[" * 100_000):
        assert isinstance(parse_batch(bad), Problem)


def test_results_are_those_of_single_requests() -> None:
    receipt = msgspec.json.encode(ActionReceipt(UUID(int=1), 5, 2, None))
    answer = batch_answer([recorded(receipt), refused(Problem(UNKNOWN_ACTION, "no such action"))], good=1)
    body = msgspec.json.decode(answer)
    assert msgspec.json.encode(msgspec.json.decode(answer, type=BatchAnswer)) == answer
    assert body["recorded"] == 1
    assert body["results"][0] == {
        "status": 201, "receipt": {"action_id": str(UUID(int=1)), "points": 5, "partition": 2, "offset": None},
    }  # fmt: skip
    assert body["results"][1]["problem"]["status"] == body["results"][1]["status"] == 422
