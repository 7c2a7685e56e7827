"""Turns msgspec's words about a body into the field errors of a problem document."""

import re
from typing import Final
from urllib.parse import quote

from contracts.problems import FieldError

_PATH: Final = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>.*)`")
_TYPES: Final = {"str": "text", "datetime": "an RFC 3339 time", "uuid": "a UUID", "object": "an object"}


def field_error(message: str) -> FieldError:
    """The field that a msgspec.ValidationError's message speaks of, as a JSON Pointer fragment, and what is wrong."""
    where = _PATH.search(message)
    names = [name for name in where["path"].split(".") if name] if where else []
    said = message[: where.start()] if where else message
    unknown = _UNKNOWN.fullmatch(said)
    if unknown is not None:
        return FieldError(pointer_to(*names, unknown["name"]), "is not a known field")
    missing = _MISSING.fullmatch(said)
    if missing is not None:
        return FieldError(pointer_to(*names, missing["name"]), "is required")
    return FieldError(pointer_to(*names), _in_our_words(said))


def pointer_to(*names: str) -> str:
    """A JSON Pointer (RFC 6901) as URI fragment."""
    escaped = (name.replace("~", "~0").replace("/", "~1") for name in names)
    return "#" + "".join("/" + quote(name, safe="~!$&'()*+,;=:@") for name in escaped)


def _in_our_words(said: str) -> str:
    for theirs, ours in _TYPES.items():
        said = said.replace(f"Expected `{theirs}`", f"must be {ours}")
    return said.replace("`", "").replace("length >= 1", "at least one character")
