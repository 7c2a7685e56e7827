"""A ticket opens its own action for its own user in its own time, and nothing else."""

import dataclasses
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalogue import CatalogueEntry, TicketRule
from contracts.counting import CountingRules
from contracts.ids import UserId
from contracts.problems import TICKET_EARLY, TICKET_EXPIRED, TICKET_INVALID, TICKET_REQUIRED, ProblemKind
from contracts.tokens import DEVELOPMENT_SECRET
from gateway.problem import Problem
from gateway.tickets import TICKET_CHARS_MAX, Ticket, give, judge_ticket, seal, ticket_key, unseal

NOW_MS = 1_795_000_000_000
KEY = ticket_key(DEVELOPMENT_SECRET)
ID = UUID("9e1fa56c-95e3-4864-9795-07aa06783ee8")
QUEST = CatalogueEntry("quest", 100, ticket=TicketRule(after_ms=5_000, valid_ms=60_000))
ALICE, BOB = UserId("alice"), UserId("bob")
GIVEN = give(QUEST, action_id=ID, now_ms=NOW_MS)
TEXT = seal(GIVEN, ALICE, action="quest", key=KEY)


def refused(text: str | None, kind: ProblemKind, **changed: object) -> Problem:
    arguments = {"user_id": ALICE, "key": KEY, "now_ms": NOW_MS + 5_000, **changed}
    entry = arguments.pop("entry", QUEST)
    problem = judge_ticket(text, entry, **arguments)  # type: ignore[arg-type]
    assert isinstance(problem, Problem)
    assert problem.kind is kind
    assert [error.pointer for error in problem.errors] == ["#/ticket"]
    return problem


def test_a_ticket_comes_back_as_it_was_given() -> None:
    assert Ticket(ID, NOW_MS + 5_000, NOW_MS + 60_000) == GIVEN
    assert len(TEXT) <= TICKET_CHARS_MAX
    assert judge_ticket(TEXT, QUEST, user_id=ALICE, key=KEY, now_ms=NOW_MS + 5_000) == GIVEN
    assert judge_ticket(TEXT, QUEST, user_id=ALICE, key=KEY, now_ms=NOW_MS + 59_999) == GIVEN


def test_its_time_has_a_begin_and_an_end() -> None:
    early = refused(TEXT, TICKET_EARLY, now_ms=NOW_MS + 1_001)
    assert early.headers == ((b"retry-after", b"4"),)
    refused(TEXT, TICKET_EARLY, now_ms=NOW_MS + 4_999)
    refused(TEXT, TICKET_EXPIRED, now_ms=NOW_MS + 60_000)


def test_it_is_bound_to_user_action_and_key() -> None:
    refused(TEXT, TICKET_INVALID, user_id=BOB)
    refused(TEXT, TICKET_INVALID, entry=dataclasses.replace(QUEST, name="raid"))
    refused(TEXT, TICKET_INVALID, key=ticket_key(DEVELOPMENT_SECRET + "!"))
    refused(TEXT, TICKET_INVALID, key=DEVELOPMENT_SECRET.encode())


def test_user_and_action_cannot_be_shifted_into_one_another() -> None:
    moved = seal(GIVEN, UserId("alicequest"), action="", key=KEY)
    refused(moved, TICKET_INVALID)


def test_an_action_needs_it_or_takes_none() -> None:
    refused(None, TICKET_REQUIRED)
    refused(TEXT, TICKET_INVALID, entry=CatalogueEntry("commit", 10))
    assert judge_ticket(None, CatalogueEntry("commit", 10), user_id=ALICE, key=KEY, now_ms=NOW_MS) is None


@pytest.mark.parametrize("text", ["", "t1.", "t1..", "t1.a.b", TEXT + "=", TEXT + " ", TEXT[3:], "t2." + TEXT[3:], "é"])
def test_what_is_no_ticket_is_refused(text: str) -> None:
    refused(text, TICKET_INVALID)


def test_a_token_signed_with_any_of_our_secrets_is_no_ticket() -> None:
    for secret in (DEVELOPMENT_SECRET, KEY.hex()):
        refused(jwt.encode({"sub": "alice", "action": "quest"}, secret, "HS256"), TICKET_INVALID)


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="ascii", categories=["L", "N", "P"]))
def test_no_character_may_change(place: int, char: str) -> None:
    forged = TEXT[:place] + char + TEXT[place + 1 :]
    assert (unseal(forged, ALICE, action="quest", key=KEY) is None) == (forged != TEXT)


def test_its_id_is_known_until_nothing_accepted_can_still_arrive() -> None:
    rules = CountingRules()
    assert GIVEN.keep_until_ms(rules) >= GIVEN.expires_ms + rules.delivery_timeout_ms + rules.clock_skew_ms
