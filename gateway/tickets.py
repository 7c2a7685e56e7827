"""Tickets: the server's signed word that a user may perform one action, later and once. Pure.

A ticket is no token: another layout, another key, and it names nobody, so that it opens nothing but its own action."""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.catalogue import CatalogueEntry
from contracts.counting import CountingRules
from contracts.ids import USER_ID_BYTES_MAX, UserId
from contracts.problems import TICKET_EARLY, TICKET_EXPIRED, TICKET_INVALID, TICKET_REQUIRED, FieldError, ProblemKind
from gateway.problem import Problem

TICKET_CHARS_MAX: Final = 128
"""Ours have 89 characters."""
_PREFIX: Final = "t1."
_HASH: Final = "sha256"
"""Pinned: a ticket never chooses how it is verified. A change of layout changes the prefix and both labels."""
_KEY_LABEL: Final = b"shardboard ticket key 1"
_SIGNED_LABEL: Final = b"shardboard ticket 1\0"
_PAYLOAD: Final = struct.Struct(">16sQQ")
_MAC_BYTES: Final = 32


class TicketBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is going to be done, and by whom."""

    action: Annotated[str, Meta(min_length=1, max_length=64, description="an action that needs a ticket")]
    user_id: (
        Annotated[
            str,
            Meta(
                min_length=1, max_length=USER_ID_BYTES_MAX, description="the caller if absent; 1 to 128 bytes of UTF-8"
            ),
        ]
        | UnsetType
    ) = UNSET


class TicketAnswer(msgspec.Struct, frozen=True):
    """A ticket: the member `ticket` of POST /actions, once, from `usable_from` until before `expires_at`."""

    ticket: str
    action_id: Annotated[UUID, Meta(description="of the action that will use it")]
    user_id: str
    action: str
    usable_from: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket says; whom and what it is for is only in its signature. Times are unix ms of the gateways."""

    action_id: UUID
    """Of the action that uses it: the log counts an id once, so that the ticket is good once."""
    usable_from_ms: int
    expires_ms: int

    def keep_until_ms(self, rules: CountingRules) -> int:
        """How long the log's readers must know the id: until nothing that was accepted with it can still arrive."""
        return self.expires_ms + rules.delivery_timeout_ms + 2 * rules.clock_skew_ms


def ticket_key(secret: str) -> bytes:
    """The key of tickets, of which nobody can conclude on the secret, nor on another key made from it."""
    return hmac.digest(secret.encode(), _KEY_LABEL, _HASH)


def give(entry: CatalogueEntry, *, action_id: UUID, now_ms: int) -> Ticket:
    """A ticket from now on, for an action that needs one."""
    assert entry.ticket is not None, entry
    return Ticket(action_id, now_ms + entry.ticket.after_ms, now_ms + entry.ticket.valid_ms)


def seal(ticket: Ticket, user_id: UserId, *, action: str, key: bytes) -> str:
    """The ticket as text, for this user and this action."""
    payload = _PAYLOAD.pack(ticket.action_id.bytes, ticket.usable_from_ms, ticket.expires_ms)
    return f"{_PREFIX}{_text(payload)}.{_text(_mac(payload, user_id, action=action, key=key))}"


def unseal(text: str, user_id: UserId, *, action: str, key: bytes) -> Ticket | None:
    """The ticket, or None when it was not made by us for this user and this action."""
    if not text.startswith(_PREFIX) or len(text) > TICKET_CHARS_MAX:
        return None
    payload_text, _, mac_text = text.removeprefix(_PREFIX).partition(".")
    payload, mac = _bytes(payload_text), _bytes(mac_text)
    if len(payload) != _PAYLOAD.size or len(mac) != _MAC_BYTES:
        return None
    if not hmac.compare_digest(mac, _mac(payload, user_id, action=action, key=key)):
        return None
    id_bytes, usable_from_ms, expires_ms = _PAYLOAD.unpack(payload)
    return Ticket(UUID(bytes=id_bytes), usable_from_ms, expires_ms)


def judge_ticket(
    text: str | None, entry: CatalogueEntry, *, user_id: UserId, key: bytes, now_ms: int
) -> Ticket | Problem | None:
    """The ticket of an action that needs one, None for an action that needs and has none, or why it is refused."""
    if entry.ticket is None:
        return None if text is None else _refused(TICKET_INVALID, f"is too much: {entry.name} takes none")
    if text is None:
        return _refused(TICKET_REQUIRED, f"is missing: {entry.name} needs one, which POST /tickets gives")
    ticket = unseal(text, user_id, action=entry.name, key=key)
    if ticket is None:
        return _refused(TICKET_INVALID, "was not given for this user and this action")
    if now_ms >= ticket.expires_ms:
        return _refused(TICKET_EXPIRED, f"expired {(now_ms - ticket.expires_ms) // 1000} s ago")
    if now_ms < ticket.usable_from_ms:
        wait_s = -(-(ticket.usable_from_ms - now_ms) // 1000)
        retry = ((b"retry-after", b"%d" % wait_s),)
        return _refused(TICKET_EARLY, f"may be used in {wait_s} s", headers=retry)
    return ticket


def _refused(kind: ProblemKind, said: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Problem:
    return Problem(kind, f"The ticket {said}.", errors=(FieldError("#/ticket", said),), headers=headers)


def _mac(payload: bytes, user_id: UserId, *, action: str, key: bytes) -> bytes:
    user = user_id.encode()
    return hmac.digest(key, _SIGNED_LABEL + len(user).to_bytes(4, "big") + user + payload + action.encode(), _HASH)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """No bytes for what is not the one way to write them."""
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (BadBase64, UnicodeEncodeError):
        return b""
    return data if _text(data) == text else b""
