"""Which names and metadata a user may have, and who may change them."""

from uuid import UUID

import pytest

from contracts.ids import UserId
from contracts.problems import FOREIGN_USER
from contracts.record import ProfileRecord, decode
from gateway.problem import Problem
from gateway.profiles import ProfileBody, judge_profile, parse_profile
from gateway.submission import Submission
from gateway.token_rules import Caller

ADA = Caller(UserId("ada"), None, 1, frozenset())
SERVICE = Caller(UserId("game"), None, 1, frozenset({"actions:write:any"}))


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"Ada"}', b'{"name":"<script>alert(1)</script>"}', b'{"name":"' + "ü".encode() * 128 + b'"}',
        b'{"metadata":{}}', b'{"metadata":{"team":"x"},"name":"A"}',
    ],
)  # fmt: skip
def test_good_profiles(body: bytes) -> None:
    assert isinstance(parse_profile(body), ProfileBody)


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b"", b'{"name":""}', b'{"name":"  "}', b'{"name":"a\\u0000"}', b'{"name":"a\\nb"}',
        b'{"name":"a","name":"b"}', b'{"name":7}', b'{"name":"a","role":"admin"}',
        b'{"name":"' + "ü".encode() * 129 + b'"}',
        b'{"metadata":{"a":1}}', b'{"metadata":{"":"x"}}', b'{"metadata":{"a":"' + b"x" * 257 + b'"}}',
        b'{"metadata":{' + b",".join(b'"k%d":""' % n for n in range(33)) + b"}}",
    ],
)  # fmt: skip
def test_bad_profiles(body: bytes) -> None:
    assert isinstance(parse_profile(body), Problem)


def test_a_user_changes_himself_and_a_service_anybody() -> None:
    body = parse_profile(b'{"name":" Ada ","metadata":{"team":"x"}}')
    assert isinstance(body, ProfileBody)
    for caller in (ADA, SERVICE):
        judged = judge_profile("ada", body, caller=caller, now_ms=5, new_id=lambda: UUID(int=7))
        assert isinstance(judged, Submission)
        record = decode(judged.record)
        assert isinstance(record, ProfileRecord)
        assert (record.user_id, record.name, record.metadata) == ("ada", "Ada", {"team": "x"})
    refused = judge_profile("bob", body, caller=ADA, now_ms=5, new_id=lambda: UUID(int=7))
    assert isinstance(refused, Problem)
    assert refused.kind is FOREIGN_USER
    assert isinstance(judge_profile("\0", body, caller=SERVICE, now_ms=5, new_id=lambda: UUID(int=7)), Problem)
