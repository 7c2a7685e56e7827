"""Tokens that no gateway may accept, as many as there are ideas, for every way to configure the keys.

Each section names where its ideas come from. What is signed is signed rightly unless the section is about signatures.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.tokens import DEVELOPMENT_SECRET, LEEWAY_DEFAULT_S
from tests.support.token_kit import (
    AUDIENCE,
    ISSUER,
    SECRET,
    Sign,
    Verifier,
    b64,
    claims,
    compact,
    ec_key,
    ed,
    ed448_key,
    ed_key,
    es,
    es_der,
    hs,
    jwk,
    pem,
    ps,
    rs,
    rsa_key,
    verifiers,
)

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Hostile:
    """One token against one configuration."""

    idea: str
    verifier: Verifier
    token: bytes

    @property
    def name(self) -> str:
        return f"{self.verifier.name}: {self.idea}"


@cache
def hostile_tokens() -> list[Hostile]:
    """All of them, made once in a run."""
    found: list[Hostile] = []
    for verifier in verifiers():
        for ideas in (_claims, _payloads, _headers, _kids, _signatures, _forgeries, _shapes):
            found += [Hostile(idea, verifier, token) for idea, token in ideas(verifier)]
    return found


def _claims(by: Verifier) -> Iterator[tuple[str, bytes]]:
    """RFC 7519 §4.1, RFC 8725 §3.8–3.10, §3.12: claims that are missing, of others, of other types; CVE-2024-53861
    (PyJWT accepted a part of the issuer)."""
    now_s = int(time.time())
    wrong: dict[str, list[Any]] = {
        "exp": [
            *(None, "9999999999", True, [], {}, -1, 10**20, 0, "", "soon", now_s - 7_200, [now_s + 60]),
            now_s - LEEWAY_DEFAULT_S - 2,
        ],
        "iat": [None, str(now_s), True, [], -1, 10**20, now_s + 86_400],
        "nbf": ["0", True, [], -1, now_s + 86_400],
        "iss": [
            *(None, ISSUER[:-1], ISSUER[1:], ISSUER + "/", ISSUER.upper(), [ISSUER], {ISSUER: 1}, "", " " + ISSUER),
            *(ISSUER + "\0", "https://id.example", ISSUER + ".evil.example", 1, True, "a", "/"),
        ],
        "aud": [
            *(None, "", AUDIENCE[:-1], AUDIENCE + "s", AUDIENCE.upper(), [], [[AUDIENCE]], [AUDIENCE, 1], 1, True),
            *(["other"], {AUDIENCE: AUDIENCE}, "other " + AUDIENCE, [AUDIENCE[:-1]], "*", ["*"], "o"),
        ],
        "sub": [None, "", 0, 7, True, [], ["alice"], {"id": "alice"}, "x" * 129, "a\0b", "\ud800", "é" * 65],
        "scope": [7, True, {"moderate": True}, ["moderate", 1], [["moderate"]]],
        "jti": [7, True, [], "x" * 257, {"a": 1}],
        "typ": ["ID", "Refresh", 1],
        "token_use": ["id", "refresh", True],
        "cnf": [{"jkt": "x"}],
        "events": [{}],
    }
    for name, values in wrong.items():
        for value in values:
            yield f"{name} {value!r:.40}", by.token(**{name: value})


def _payloads(by: Verifier) -> Iterator[tuple[str, bytes]]:
    """RFC 8725 §2.5, §3.7 (UTF-8 only), RFC 7519 §4 (no member twice): payloads that readers may read differently."""
    good = json.dumps(claims())
    body = good[1:-1]
    exp = str(int(time.time()) + 60)
    texts = {
        "sub twice": f'{{{body},"sub":"bob"}}',
        "exp twice": f'{{{body},"exp":{exp}}}',
        "the same member twice": f'{{{body},"sub":"alice"}}',
        "an escaped twin": f'{{{body},"s\\u0075b":"bob"}}',
        "a twin further down": f'{{{body},"act":{{"sub":"x","sub":"y"}}}}',
        "NaN": f'{{{body},"x":NaN}}',
        "exp Infinity": json.dumps(claims(exp=None))[:-1] + ',"exp":Infinity}',
        "exp 1e400": json.dumps(claims(exp=None))[:-1] + ',"exp":1e400}',
        "a list": f"[{good}]",
        "text": json.dumps(good),
        "null": "null",
        "number": "1",
        "trailing bytes": good + "x",
        "two objects": good + good,
        "a comment": good + "//",
        "single quotes": good.replace('"', "'"),
        "cut short": good[:-1],
        "deep": '{"a":' + "[" * 3_000 + "]" * 3_000 + "}",
        "a control character": good.replace("alice", "al\x01ice"),
    }
    for idea, text in texts.items():
        yield f"payload: {idea}", compact(by.header(), text.encode(), sign=by.sign)
    raw = {
        "BOM": b"\xef\xbb\xbf" + good.encode(),
        "UTF-16": good.encode("utf-16"),
        "UTF-32": good.encode("utf-32-le"),
        "not UTF-8": good.encode().replace(b"alice", b"al\xff"),
        "overlong UTF-8": good.encode().replace(b"alice", b"\xc1\x81lice"),
        "a surrogate in UTF-8": good.encode().replace(b"alice", b"\xed\xa0\x80"),
        "gzip": b"\x1f\x8b\x08\x00",
        "one byte": b"\0",
    }
    for idea, data in raw.items():
        yield f"payload: {idea}", compact(by.header(), data, sign=by.sign)


def _headers(by: Verifier) -> Iterator[tuple[str, bytes]]:
    """RFC 7515 §4.1.11 (`crit`), RFC 7797 (`b64`), RFC 8725 §3.6 (`zip`), §3.10 (keys that a token brings), §3.11
    (`typ`), CVE-2026-32597 (PyJWT ignored `crit`); header twins."""
    own = jwk(rsa_key("attacker"))
    members: list[dict[str, Any]] = [
        {"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": True}, {"crit": "b64"}, {"crit": ["b64"]},
        {"crit": ["unknown"], "unknown": 1}, {"crit": {}}, {"crit": [1]}, {"b64": False}, {"b64": True},
        {"b64": False, "crit": ["b64"]}, {"zip": "DEF"}, {"enc": "A128GCM"}, {"jwk": own}, {"jwk": {}},
        {"jku": "https://evil.example/keys"}, {"jku": "file:///etc/passwd"}, {"jku": ""},
        {"x5u": "https://evil.example/cert"}, {"x5c": ["MIIB"]}, {"x5c": []},
    ]  # fmt: skip
    for more in members:
        yield f"header {more!s:.50}", by.token(more)
    kinds = ("logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", "JOSE", "", "ticket", "JWT ", "text/jwt", "id_token+jwt")
    for kind in (*kinds, 1, True, [], ["JWT"], {"a": 1}):
        yield f"typ {kind!r}", by.token({"typ": kind})
    for alg in (by.alg.lower() + " ", " " + by.alg, [by.alg], {"a": by.alg}, 256, True, "", by.alg + "\0", "null"):
        yield f"alg {alg!r}", by.token({"alg": alg})
    yield "no alg", by.token({"alg": None})
    header = json.dumps(by.header())[1:-1]
    texts = {
        "alg twice": f'{{{header},"alg":"none"}}',
        "alg twice, ours last": f'{{"alg":"none",{header}}}',
        "kid twice": f'{{{header},"kid":"a","kid":"a"}}',
        "a list": f"[{{{header}}}]",
        "nothing": "",
        "trailing": f"{{{header}}}}}",
    }
    for idea, text in texts.items():
        yield f"header: {idea}", compact(text.encode(), claims(), sign=by.sign)
    yield "header: too long", by.token({"x5t": "x" * 2_048})
    yield "header: deep", compact(b'{"alg":' + b"[" * 1_400, claims(), sign=by.sign)


def _kids(by: Verifier) -> Iterator[tuple[str, bytes]]:
    """RFC 8725 §3.10: `kid` as a path, a query, a command; signed with what those would yield."""
    for kid in (1, True, [], ["a"], {"a": 1}, "x" * 257):
        yield f"kid {kid!r:.20}", by.token({"kid": kid})
    texts = (
        "/dev/null", "../../../../dev/null", "file:///dev/null", "..\\..\\windows\\win.ini", "/proc/self/environ",
        "' UNION SELECT 'x' --", "x' OR '1'='1", '"; DROP TABLE users; --', "$(id)", "`id`", "| id", "a\0b", "",
        "https://evil.example/keys", "%2e%2e%2f", "__proto__", "0", "*", "\ud800",
    )  # fmt: skip
    for kid in texts:
        for secret in (b"", b"x"):
            header = {"alg": "HS256", "typ": "JWT", "kid": kid}
            yield f"kid {kid!r} and the secret {secret!r}", compact(header, claims(), sign=hs(secret))
        if by.kid is not None:
            yield f"kid {kid!r}, signed rightly", by.token({"kid": kid})
    if by.kid is not None:
        others = [other for other in verifiers() if other.kid not in (None, by.kid)]
        for other in others:
            yield f"the kid of {other.kid}", by.token({"kid": other.kid})
        if by.alg.startswith(("RS", "PS")):
            yield "kid of another algorithm's key", by.token({"kid": by.kid + "x"})


def _signatures(by: Verifier) -> Iterator[tuple[str, bytes]]:
    """RFC 8725 §2.1, §3.1–3.3 and RFC 7515 §5.2; CVE-2022-21449 (signatures of zeros); GHSA-hxm8-2xgr-2p9m (base64
    that is none)."""
    good = by.token()
    head, body, signature = good.split(b".")
    flipped = bytes([signature[3] ^ 1]) if signature[3] not in b"AZaz09-_" else b"B" if signature[3:4] != b"B" else b"C"
    changed = {
        "none": b"",
        "cut by a byte": signature[:-1],
        "cut in half": signature[: len(signature) // 2],
        "longer": signature + b"AAAA",
        "changed": signature[:3] + flipped + signature[4:],
        "of zeros": b64(b"\0" * (len(signature) * 3 // 4)),
        "of ones": b64(b"\xff" * (len(signature) * 3 // 4)),
        "of another token": by.token(sub="bob").split(b".")[2],
        "padded": signature + b"=" * (-len(signature) % 4 or 4),
        "with a blank": signature[:5] + b" " + signature[5:],
        "with a line end": signature[:5] + b"\n" + signature[5:],
        "junk in front": b"!!!!" + signature,
        "in the other alphabet": b"+/" + signature[2:],
        "not ASCII": signature[:-1] + b"\xc3",
    }
    for idea, other in changed.items():
        yield f"signature {idea}", b".".join((head, body, other))
    yield "another payload", b".".join((head, b64(json.dumps(claims(sub="bob")).encode()), signature))
    yield "another header", b".".join((b64(json.dumps(by.header(x=1)).encode()), body, signature))
    yield "signed by somebody else", compact(by.header(), claims(), sign=_somebody_else(by))
    for none in ("none", "None", "NONE", "nOnE"):
        yield f"alg {none}, no signature", compact(by.header(alg=none), claims(), sign=lambda _: b"")
        yield f"alg {none}, signed", by.token({"alg": none})


def _forgeries(by: Verifier) -> Iterator[tuple[str, bytes]]:
    """CVE-2017-11424, CVE-2022-29217 (public keys as secrets), RFC 8725 §3.2 (one key, one algorithm), wrong curves."""
    ours: dict[str, Any] = {"rsa": rsa_key("ours"), "ec": ec_key("ours"), "ed": ed_key("ours")}
    header = {"alg": "HS256", "typ": "JWT", "kid": by.kid or "k"}
    for kind, key in ours.items():
        for form, known in _public_forms(key):
            yield f"HS256 with our public {kind} key as {form}", compact(header, claims(), sign=hs(known))
    for known in (b"", b"secret", DEVELOPMENT_SECRET.encode(), SECRET[:-1].encode(), ISSUER.encode(), b"\0" * 32):
        yield f"HS256 with {known[:12]!r}", compact(header, claims(), sign=hs(known))
    for alg, digest in (("HS384", "sha384"), ("HS512", "sha512")):
        yield f"{alg} with the secret", compact({**header, "alg": alg}, claims(), sign=hs(SECRET.encode(), digest))
    attacker, own = rsa_key("attacker"), ours["rsa"]
    signers = {
        "RS256": rs(attacker), "RS384": rs(attacker, hashes.SHA384), "PS256": ps(attacker),
        "ES256": es(ec_key("attacker")), "EdDSA": ed(ed_key("attacker")),
    }  # fmt: skip
    for alg, sign in signers.items():
        yield f"{alg} by an attacker", compact(by.header(alg=alg), claims(), sign=sign)
        yield f"{alg} by an attacker without kid", compact({"alg": alg}, claims(), sign=sign)
    crossed = {"RS256": rs(own), "RS384": rs(own, hashes.SHA384), "RS512": rs(own, hashes.SHA512), "PS256": ps(own)}
    for alg, sign in crossed.items():
        if alg != by.alg:
            yield f"{alg} where the key is for {by.alg}", compact(by.header(alg=alg), claims(), sign=sign)
            yield f"{by.alg} that is {alg} inside", compact(by.header(), claims(), sign=sign)
    curves = {"ES384": ec.SECP384R1, "ES512": ec.SECP521R1, "ES256K": ec.SECP256K1}
    for alg, curve in curves.items():
        yield f"{alg} on its curve", compact(by.header(alg=alg), claims(), sign=es(ec_key("attacker", curve)))
        yield (
            f"ES256 on the curve of {alg}",
            compact(by.header(alg="ES256"), claims(), sign=es(ec_key("attacker", curve))),
        )
    yield "EdDSA on Ed448", compact(by.header(alg="EdDSA"), claims(), sign=ed(ed448_key()))
    yield "ES256 in DER", compact(by.header(alg="ES256"), claims(), sign=es_der(ours["ec"]))
    for size in (0, 1, 32, 64, 96, 128):
        yield f"ES256 of {size} zeros", compact(by.header(alg="ES256"), claims(), sign=_zeros(size))


def _shapes(by: Verifier) -> Iterator[tuple[str, bytes]]:
    """RFC 7516 (five parts), RFC 7515 §7.2 (JSON form), sizes, and what a sloppy reader would cut out."""
    good = by.token()
    head, body, signature = good.split(b".")
    shapes = {
        "nothing": b"", "a dot": b".", "two dots": b"..", "three dots": b"...", "five dots": b"." * 5,
        "one part": head, "two parts": head + b"." + body, "no header": b"." + body + b"." + signature,
        "no payload": head + b".." + signature, "four parts": good + b"." + signature, "JWE": good + b".a.b",
        "twice": good + b" " + good, "with a comma": good + b"," + good, "a blank inside": head + b" ." + body,
        "NUL behind": good + b"\0", "tab in front": b"\t" + good, "quoted": b'"' + good + b'"',
        "the scheme again": b"Bearer " + good, "percent": good.replace(b".", b"%2e"),
        "JSON form": json.dumps({
            "payload": body.decode(), "protected": head.decode(), "signature": signature.decode()
        }).encode(),
        "1 MiB of dots": b"." * MIB, "1 MiB of letters": b"A" * MIB, "1 MiB behind": good + b"A" * MIB,
        "1 MiB of payload": by.token(x="y" * MIB), "8193 bytes": by.token(x="y" * 6_000) + b"A" * 3_000,
        "a password": b"alice:secret", "not ASCII": "tökén".encode(),
    }  # fmt: skip
    yield from shapes.items()


def _zeros(size: int) -> Sign:
    return lambda _: b"\0" * size


def _somebody_else(by: Verifier) -> Sign:
    kinds = {"HS256": hs(b"somebody-elses-secret-0123456789abcdef"), "ES256": es(ec_key("attacker"))}
    kinds |= dict.fromkeys(("EdDSA", "Ed25519"), ed(ed_key("attacker"))) | {"PS256": ps(rsa_key("attacker"))}
    digests: dict[str, type[Any]] = {"RS256": hashes.SHA256, "RS384": hashes.SHA384, "RS512": hashes.SHA512}
    return kinds.get(by.alg) or rs(rsa_key("attacker"), digests[by.alg])


def _public_forms(key: Any) -> Iterator[tuple[str, bytes]]:
    """A public key as everybody can write it down."""
    public = key.public_key()
    yield "PEM", pem(key).encode()
    yield "PEM without its last line end", pem(key).strip().encode()
    yield "PEM with CRLF", pem(key).replace("\n", "\r\n").encode()
    yield "DER", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield "OpenSSH", public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    yield "JWK", json.dumps(jwk(key)).encode()
    if hasattr(key, "private_numbers") and hasattr(public.public_numbers(), "n"):
        yield "PKCS 1", public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        yield "modulus", public.public_numbers().n.to_bytes(256, "big")
