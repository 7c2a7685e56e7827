"""A cursor reads back as it was written, in any gateway with the secret; anything else is refused."""

import pytest

from contracts.ids import PeriodId, UserId
from gateway.cursors import LIFE_MS, BadCursor, Cursor, CursorSigner

NOW_MS = 1_795_500_000_000
CURSOR = Cursor(PeriodId("daily:2026-11-24"), -(2**53) + 1, 5, UserId("ü" * 64), True, NOW_MS + LIFE_MS)


def test_any_gateway_with_the_secret_reads_a_cursor() -> None:
    text = CursorSigner("secret").write(CURSOR)
    assert CursorSigner("secret").read(text, now_ms=NOW_MS) == CURSOR
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert CURSOR.mark.user_id == CURSOR.user_id


def test_after_a_change_of_the_secret_only_the_new_one_is_good() -> None:
    signer = CursorSigner("old")
    text = signer.write(CURSOR)
    signer.use("new")
    with pytest.raises(BadCursor):
        signer.read(text, now_ms=NOW_MS)
    assert CursorSigner("new").read(signer.write(CURSOR), now_ms=NOW_MS) == CURSOR


def test_every_change_of_a_cursor_is_seen() -> None:
    signer = CursorSigner("secret")
    text = signer.write(CURSOR)
    # The last character holds bits that belong to no byte: what decodes to the same bytes is the same cursor.
    for n, char in enumerate(text[:-1]):
        with pytest.raises(BadCursor):
            signer.read(text[:n] + ("A" if char != "A" else "B") + text[n + 1 :], now_ms=NOW_MS)


@pytest.mark.parametrize("text", ["", "a", "====", "%", "é", "A" * 600])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        CursorSigner("secret").read(text, now_ms=NOW_MS)


def test_an_old_one_another_secrets_and_another_versions_are_refused() -> None:
    signer = CursorSigner("secret")
    for text, now_ms in (
        (signer.write(CURSOR), NOW_MS + LIFE_MS),
        (CursorSigner("other").write(CURSOR), NOW_MS),
        (signer.write(Cursor(CURSOR.period, 1, 1, CURSOR.user_id, False, CURSOR.expires_ms, v=2)), NOW_MS),
    ):
        with pytest.raises(BadCursor):
            signer.read(text, now_ms=now_ms)
