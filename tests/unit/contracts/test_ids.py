"""Which texts can be ids."""

import pytest

from contracts.ids import parse_shard_id, user_id_fault


@pytest.mark.parametrize("text", ["a", "x" * 128, "é" * 64, "\U0001f3c6" * 32, " ", "a\nb", "../x"])
def test_one_to_128_bytes_of_unicode_are_a_user_id(text: str) -> None:
    assert user_id_fault(text) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "empty"), ("x" * 129, "not 129"), ("é" * 65, "not 130"), ("a\0b", "NUL"), ("\ud800", "surrogates")],
)
def test_what_cannot_be_a_user_id_is_told(text: str, told: str) -> None:
    assert told in (user_id_fault(text) or "")


@pytest.mark.parametrize("text", ["s1", "a", "eu-west-1", "a" * 32])
def test_a_shard_id_is_a_short_name(text: str) -> None:
    assert parse_shard_id(text) == text


@pytest.mark.parametrize("text", ["", "1s", "S1", "s_1", "-s", "a" * 33, "s1\n", "ß"])
def test_another_text_is_no_shard_id(text: str) -> None:
    with pytest.raises(ValueError, match="must match"):
        parse_shard_id(text)
