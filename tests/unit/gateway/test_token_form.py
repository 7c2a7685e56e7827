"""One spelling for each token: what is no compact JWS of ours is refused before any key is looked at."""

import pytest

from gateway.token_form import KID_CHARS_MAX, BadForm, read_form, strict_object
from tests.support.token_kit import b64, compact


def token(header: bytes, *, payload: bytes = b"{}") -> bytes:
    return compact(header, payload, sign=lambda _: b"sig")


def test_a_token_is_taken_apart() -> None:
    form = read_form(token(b'{"alg":"ES256","kid":"k","typ":"JWT"}', payload=b'{"a":1}'))
    assert (form.alg, form.kid, form.payload, form.signature) == ("ES256", "k", b'{"a":1}', b"sig")
    assert form.signed == b64(b'{"alg":"ES256","kid":"k","typ":"JWT"}') + b"." + b64(b'{"a":1}')


@pytest.mark.parametrize("typ", [b"", b',"typ":"JWT"', b',"typ":"at+JWT"', b',"typ":"application/at+jwt"'])
def test_types_that_grant_access_are_taken(typ: bytes) -> None:
    assert read_form(token(b'{"alg":"ES256"' + typ + b"}")).kid is None


@pytest.mark.parametrize(
    "header",
    [
        *(b"", b"[]", b'"x"', b"{}", b'{"alg":1}', b'{"alg":"a","alg":"a"}', b'{"alg":"a","crit":[]}'),
        *(b'{"alg":"a","jwk":{}}', b'{"alg":"a","typ":"logout+jwt"}', b'{"alg":"a","typ":1}', b'{"alg":"a","kid":7}'),
        b'{"alg":"a","kid":"' + b"x" * (KID_CHARS_MAX + 1) + b'"}',
        b'{"alg":"a","x":"' + b"x" * 2_048 + b'"}',
    ],
)
def test_other_headers_are_refused(header: bytes) -> None:
    with pytest.raises(BadForm):
        read_form(token(header))


@pytest.mark.parametrize("data", [b"AA==", b"AB", b"A", b"AA\n", b"A+", b"\xff\xff"])
def test_base64_has_one_spelling(data: bytes) -> None:
    """`AB` decodes to the same byte as `AA` where stray bits are overlooked."""
    head, _, signature = token(b'{"alg":"a"}').split(b".")
    with pytest.raises(BadForm):
        read_form(b".".join((head, data, signature)))


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":1}', '{"b":[{"a":1,"a":2}]}', '{"a":NaN}', '{"a":-Infinity}', "[" * 2_000, "{}x", "\ufeff{}"]
)
def test_json_has_one_reading(text: str) -> None:
    with pytest.raises(BadForm):
        strict_object(text.encode())
