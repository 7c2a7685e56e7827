"""The bytes of shard tops and global boards in the cache, and that they are read again as they were written."""

from pathlib import Path
from typing import Final

import msgspec
import pytest

from contracts.tops import GlobalTop, ShardTop, decode_global_top, decode_shard_top, encode_top
from tests.contract.examples import GLOBAL_TOP, GLOBAL_TOP_EMPTY, SHARD_TOP

GOLDEN: Final = Path(__file__).parent / "golden"
EXAMPLES: Final[dict[str, ShardTop | GlobalTop]] = {
    "shard-top-v1": SHARD_TOP,
    "global-top-v1": GLOBAL_TOP,
    "global-top-v1-empty": GLOBAL_TOP_EMPTY,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_written_bytes_have_not_changed(name: str) -> None:
    assert encode_top(EXAMPLES[name]) == (GOLDEN / f"{name}.msgpack").read_bytes()


@pytest.mark.parametrize("name", EXAMPLES)
def test_old_bytes_are_still_read(name: str) -> None:
    data = (GOLDEN / f"{name}.msgpack").read_bytes()
    read = decode_shard_top(data) if isinstance(EXAMPLES[name], ShardTop) else decode_global_top(data)
    assert read == EXAMPLES[name]


def test_another_version_is_not_read() -> None:
    newer = msgspec.msgpack.encode(msgspec.to_builtins(SHARD_TOP) | {"v": 2})
    with pytest.raises(msgspec.ValidationError):
        decode_shard_top(newer)


def test_damage_is_not_read() -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_global_top(encode_top(GLOBAL_TOP)[:-1])
