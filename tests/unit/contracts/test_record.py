"""The log is read by many for years: whatever a correct gateway would not have written is refused, with the reason."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.record import RECORD_BYTES_MAX, BadRecord, Record, decode, encode
from tests.contract.examples import RECORDS

YEAR_9999 = 253_370_764_800_000


def changed(kind: str, /, **fields: Any) -> bytes:
    """The example's JSON with other fields; `...` takes one away."""
    document = json.loads(encode(RECORDS[kind])) | fields
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "no value"),
        (b"", "truncated"),
        (b"null", "null"),
        (b"[]", "array"),
        (b"\xff\xfe", ""),
        (b"[" * 50_000, ""),
        (b" " * (RECORD_BYTES_MAX + 1), "at most 65536"),
        (changed("action", v=2), "$.v"),
        (changed("action", v=...), "v"),
        (changed("action", kind="score"), "kind"),
        (changed("action", kind=...), "kind"),
        (changed("action", extra=1), "extra"),
        (changed("action", user_id=""), "user_id must not be empty"),
        (changed("action", user_id="x" * 129), "not 129"),
        (changed("action", user_id="a\0"), "NUL"),
        (changed("action", user_id="\ud800"), ""),
        (changed("action", id=""), "id must have"),
        (changed("action", id="x" * 129), "id must have"),
        (changed("action", points=0), "points 0"),
        (changed("action", points=1_000_001), "points 1000001"),
        (changed("action", points=1.0), "float"),
        (changed("action", points=True), "bool"),
        (changed("action", points="1"), "str"),
        (changed("action", at=-1), "at -1"),
        (changed("action", at=YEAR_9999), "at "),
        (changed("action", received_at=-1), "received_at"),
        (changed("action", name="x" * 257), "name"),
        (changed("action", keep_until=YEAR_9999), "keep_until"),
        (changed("action", limits={"cap_per_day": 0}), "cap_per_day"),
        (changed("action", limits={"cooldown_ms": 86_400_001}), "cooldown_ms"),
        (changed("action", limits={"per_day": 1}), "per_day"),
        (changed("adjust", points=2**53), "2^53"),
        (changed("adjust", points=-(2**53)), "2^53"),
        (changed("adjust", at=YEAR_9999), "at "),
        (changed("adjust", reason=...), "reason"),
        (changed("void", points=2**53), "2^53"),
        (changed("void", void_at=-1), "at -1"),
        (changed("void", void_offset=-1), "void_offset"),
        (changed("profile", name="x" * 257), "name"),
        (changed("profile", metadata={"a": 1}), "metadata"),
    ],
)
def test_a_record_out_of_bounds_is_refused_with_the_reason(value: bytes | None, told: str) -> None:
    with pytest.raises(BadRecord) as refusal:
        decode(value)
    assert told in str(refusal.value)
    assert str(refusal.value)


@pytest.mark.parametrize(
    "value",
    [
        changed("action", user_id="é" * 64),
        changed("action", points=1_000_000),
        changed("action", at=0),
        changed("action", at=YEAR_9999 - 1),
        changed("action", name="x" * 256),
        changed("adjust", points=2**53 - 1),
        changed("adjust", points=-(2**53) + 1),
        changed("hide", id="x" * 128),
    ],
)
def test_a_record_within_bounds_is_read_and_written_alike(value: bytes) -> None:
    record: Record = decode(value)
    assert decode(encode(record)) == record


@settings(deadline=None)  # a busy machine is no counterexample
@given(st.binary(max_size=300))
def test_no_bytes_stop_a_reader(value: bytes) -> None:
    try:
        decode(value)
    except BadRecord as refusal:
        assert str(refusal)  # noqa: PT017  either outcome is right, any other exception is not
