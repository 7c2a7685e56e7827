"""Requests and answers are named from bytes however they are cut into pieces."""

import struct

import pytest

from tests.faults.wire import HttpWire, KafkaWire, PostgresWire, RedisWire


def test_redis_functions_and_commands_are_named_and_answered_together() -> None:
    wire = RedisWire("shard")
    pipeline = b"*4\r\n$5\r\nFCALL\r\n$9\r\nsb1_apply\r\n$1\r\n1\r\n$6\r\nlb:{3}\r\n*2\r\n$7\r\nHGETALL\r\n$1\r\nk\r\n"
    assert wire.requests(pipeline) == ["shard:sb1_apply", "shard:HGETALL"]
    assert wire.under_way == {"shard:sb1_apply", "shard:HGETALL"}
    assert wire.replies(b"*3\r\n") == ["shard:sb1_apply", "shard:HGETALL"]
    assert wire.under_way == frozenset()
    assert wire.replies(b"the rest") == []


@pytest.mark.parametrize("cut", range(1, 30))
def test_kafka_requests_are_answered_in_order_wherever_the_pieces_are_cut(cut: int) -> None:
    wire = KafkaWire()
    produce, fetch = struct.pack(">ihh", 12, 0, 9) + b"12345678", struct.pack(">ihh", 8, 1, 4) + b"1234"
    asked = produce + fetch
    labels = wire.requests(asked[:cut]) + wire.requests(asked[cut:])
    assert labels == ["kafka:produce", "kafka:fetch"]
    answer = struct.pack(">i", 3) + b"abc"
    assert wire.replies(answer[: cut % 7]) + wire.replies(answer[cut % 7 :]) == ["kafka:produce"]
    assert wire.under_way == {"kafka:fetch"}


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


def test_a_postgres_transaction_is_under_way_from_its_first_statement_to_its_end() -> None:
    wire = PostgresWire()
    assert wire.requests(struct.pack(">ii", 8, 80877103)) == []
    assert wire.replies(b"N") == []
    assert wire.requests(struct.pack(">ii", 12, 196608) + b"user") == []
    assert wire.replies(message(b"Z", b"I")) == []
    wire.requests(message(b"P", b"s1\0UPDATE a SET raw_next = q.next FROM q\0"))
    wire.requests(message(b"P", b"s2\0UPDATE a SET scores_next = q.next\0"))
    assert wire.requests(message(b"Q", b"BEGIN;\0")) == []
    assert wire.requests(message(b"B", b"\0s1\0")) == ["postgres:raw"]
    assert wire.replies(message(b"Z", b"T")) == []
    assert wire.under_way == {"postgres:raw"}
    assert wire.requests(message(b"d", b"x" * 5_000)) == []
    assert wire.requests(message(b"Q", b"COMMIT;\0")) == ["postgres:commit"]
    assert wire.replies(message(b"C", b"COMMIT\0") + message(b"Z", b"I")) == ["postgres:commit"]
    assert wire.requests(message(b"B", b"\0s2\0")) == ["postgres:scores"]


def test_http_requests_are_named() -> None:
    wire = HttpWire()
    assert wire.requests(b"POST /actions HTTP/1.1\r\n") == ["http:post"]
    assert wire.under_way == {"http:post"}
    assert wire.replies(b"HTTP/1.1 201 Created\r\n") == ["http:post"]
