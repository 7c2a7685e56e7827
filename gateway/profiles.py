"""PUT /users/{id}: a user's display name and metadata, and the record that they become. Pure.

Names are shown as text, never as markup: any character that is not a control character may stand in one."""

import unicodedata
from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.ids import NAME_BYTES_MAX, ActionId, UserId, user_id_fault
from contracts.problems import FOREIGN_USER
from contracts.record import VERSION, ProfileRecord, encode
from contracts.tokens import SCOPE_WRITE_ANY
from gateway.problem import Problem
from gateway.strict_body import invalid, parse_strict
from gateway.submission import Submission
from gateway.token_rules import Caller

METADATA_ENTRIES_MAX: Final = 32
METADATA_CHARS_MAX: Final = 256
"""Of each key and value: a team, a country, the address of a picture."""


class ProfileBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given replaces what was there; what is left out stays."""

    name: (
        Annotated[str, Meta(min_length=1, max_length=NAME_BYTES_MAX, description="shown on boards; 1 to 256 bytes")]
        | UnsetType
    ) = UNSET
    metadata: (
        Annotated[
            dict[
                Annotated[str, Meta(min_length=1, max_length=METADATA_CHARS_MAX)],
                Annotated[str, Meta(max_length=METADATA_CHARS_MAX)],
            ],
            Meta(max_length=METADATA_ENTRIES_MAX, description="texts of the application's own; kept, not shown"),
        ]
        | UnsetType
    ) = UNSET


class ProfileReceipt(msgspec.Struct, frozen=True):
    """Recorded: durable in the log, the name on the tops within a second."""

    user_id: str
    name: str | None
    metadata: dict[str, str] | None
    partition: int
    offset: int | None


_decoder = msgspec.json.Decoder(ProfileBody)


def parse_profile(data: bytes) -> ProfileBody | Problem:
    """Read a body strictly."""
    body = parse_strict(data, _decoder)
    if isinstance(body, Problem):
        return body
    if body.name is UNSET and body.metadata is UNSET:
        return invalid("name", "or metadata must be given")
    if body.name is not UNSET:
        fault = name_fault(body.name)
        if fault is not None:
            return invalid("name", fault)
    return body


def name_fault(name: str) -> str | None:
    """Why this cannot be a display name, or None."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "must be valid Unicode without lone surrogates"
    if size > NAME_BYTES_MAX:
        return f"must be at most {NAME_BYTES_MAX} bytes of UTF-8, not {size}"
    if not name.strip():
        return "must not be blank"
    if any(unicodedata.category(char) == "Cc" for char in name):
        return "must not contain control characters"
    return None


def judge_profile(
    user: str, body: ProfileBody, *, caller: Caller, now_ms: int, new_id: Callable[[], UUID]
) -> Submission | Problem:
    """The record of a profile, or why the caller may not."""
    fault = user_id_fault(user)
    if fault is not None:
        return invalid("user_id", fault)
    if user != caller.subject and not caller.may_write_any:
        return Problem(FOREIGN_USER, f"The token speaks for another user; writing for others needs {SCOPE_WRITE_ANY}.")
    record = ProfileRecord(
        v=VERSION,
        id=ActionId(str(new_id())),
        user_id=UserId(user),
        received_at=now_ms,
        name=None if body.name is UNSET else body.name.strip(),
        metadata=None if body.metadata is UNSET else body.metadata,
    )
    return Submission(UserId(user), record.id, 0, encode(record))


def profile_receipt(user: str, body: ProfileBody, *, partition: int, offset: int | None) -> ProfileReceipt:
    """The answer to a recorded profile."""
    name = None if body.name is UNSET else body.name.strip()
    return ProfileReceipt(user, name, None if body.metadata is UNSET else body.metadata, partition, offset)
