"""Reads JSON bodies strictly: no unknown, repeated or missing member, no other type, valid Unicode. Pure."""

import json
from typing import Any, TypeVar

import msgspec

from contracts.problems import INVALID_FIELD, MALFORMED_BODY, FieldError
from gateway.field_faults import field_error, pointer_to
from gateway.problem import Problem

_T = TypeVar("_T")


def parse_strict(data: bytes, decoder: msgspec.json.Decoder[_T]) -> _T | Problem:
    """The body, or what is wrong with it. Members of its members are not looked at for repetition."""
    try:
        body = decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return body_fault(error)
    repeated = repeated_member(data)
    return body if repeated is None else given_twice(repeated)


def body_fault(error: Exception) -> Problem:
    """What msgspec's refusal means for the client."""
    if isinstance(error, msgspec.ValidationError):
        return Problem(INVALID_FIELD, "The body does not have the right shape.", errors=(field_error(str(error)),))
    return Problem(MALFORMED_BODY, f"{error}".removeprefix("JSON is malformed: ") or "too deeply nested")


def given_twice(name: str) -> Problem:
    """msgspec keeps the last of two equal members, and another reader may keep the first: neither is right."""
    error = FieldError(pointer_to(name), "is given more than once")
    return Problem(INVALID_FIELD, "A member is given twice.", errors=(error,))


def invalid(name: str, detail: str) -> Problem:
    """A member whose value cannot be."""
    return Problem(INVALID_FIELD, f"{name} {detail}.", errors=(FieldError(pointer_to(name), detail),))


def repeated_member(data: bytes) -> str | None:
    """A name that some object of a well-formed document has twice, or None."""
    found: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        found.extend(name for name in names if names.count(name) > 1)
        return {}

    json.loads(data, object_pairs_hook=collect)
    return found[0] if found else None
