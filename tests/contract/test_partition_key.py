"""Kafka's own test vectors of murmur2 (UtilsTest.testMurmur2), so that any Kafka client finds a user's partition."""

import random

import pytest
from aiokafka.partitioner import murmur2 as client_murmur2

from contracts.ids import UserId
from contracts.partition_key import murmur2, partition_of

SIGNED = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", SIGNED)
def test_murmur2_is_kafkas(key: bytes) -> None:
    assert murmur2(key) == SIGNED[key] & 0xFFFFFFFF


@pytest.mark.parametrize("partitions", [1, 3, 64, 4096])
def test_a_users_partition_is_the_positive_hash_modulo_partitions(partitions: int) -> None:
    for key, signed in SIGNED.items():
        assert partition_of(UserId(key.decode()), partitions) == (signed & 0x7FFFFFFF) % partitions


def test_murmur2_agrees_with_the_client_on_any_bytes() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for size in range(64):
        key = chance.randbytes(size)
        assert murmur2(key) == client_murmur2(key) & 0xFFFFFFFF, f"seed {seed}, key {key.hex()}"
