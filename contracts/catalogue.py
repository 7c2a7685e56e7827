"""The action catalogue: what the server pays for each action. The client names an action, never its worth."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

POINTS_MIN: Final = 1
POINTS_MAX: Final = 1_000_000
ACTIONS_MAX: Final = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}")
TICKET_S_MAX: Final = 7 * 86_400
"""The shards remember the id of each used ticket until it has expired: a week of them, some 100 bytes each."""
_FIELDS = frozenset({"points", "description", "limits", "ticket"})
_LIMITS = frozenset({"cap_per_day", "cooldown_s"})
_TICKET = frozenset({"after_s", "valid_s"})


@dataclass(frozen=True, slots=True)
class ActionLimits:
    """Exact limits of one action per user; None means none."""

    cap_per_day: int | None = None
    cooldown_ms: int | None = None


@dataclass(frozen=True, slots=True)
class TicketRule:
    """An action that must be asked for first: when its ticket may be used, counted from when it was given."""

    after_ms: int
    """The least time that earning the points takes."""
    valid_ms: int


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One action: its points and what earns them."""

    name: str
    points: int
    description: str = ""
    limits: ActionLimits | None = None
    ticket: TicketRule | None = None


class BadCatalogue(ValueError):
    """The catalogue cannot be used; the message names the entry, its value and the rule."""


def parse_catalogue(text: str) -> Mapping[str, CatalogueEntry]:
    """Read `actions.toml`. Raises BadCatalogue."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadCatalogue(f"not TOML: {error}") from error
    unknown = set(document) - {"actions"}
    if unknown:
        raise BadCatalogue(f"unknown top-level key {sorted(unknown)[0]!r}; actions are tables [actions.<name>]")
    actions = document.get("actions")
    if not isinstance(actions, dict) or not actions:
        raise BadCatalogue("no action: add a table such as [actions.commit] with points = 10")
    if len(actions) > ACTIONS_MAX:
        raise BadCatalogue(f"{len(actions)} actions, at most {ACTIONS_MAX}")
    return {name: _entry(name, fields) for name, fields in actions.items()}


def _entry(name: str, fields: object) -> CatalogueEntry:
    if _NAME.fullmatch(name) is None:
        raise BadCatalogue(f"action name {name!r} must match ^{_NAME.pattern}$")
    if not isinstance(fields, dict):
        raise BadCatalogue(f"actions.{name} must be a table with points")
    unknown = set(fields) - _FIELDS
    if unknown:
        raise BadCatalogue(
            f"actions.{name} has unknown key {sorted(unknown)[0]!r}; known: {', '.join(sorted(_FIELDS))}"
        )
    points = _whole(f"actions.{name}.points", fields.get("points"), low=POINTS_MIN, high=POINTS_MAX)
    description = fields.get("description", "")
    if not isinstance(description, str):
        raise BadCatalogue(f"actions.{name}.description must be text")
    limits, ticket = _limits(name, fields.get("limits")), _ticket(name, fields.get("ticket"))
    return CatalogueEntry(name, points, description, limits, ticket)


def _limits(name: str, limits: Any) -> ActionLimits | None:
    if limits is None:
        return None
    if not isinstance(limits, dict) or set(limits) - _LIMITS:
        raise BadCatalogue(f"actions.{name}.limits may hold only {', '.join(sorted(_LIMITS))}")
    cap, cooldown = limits.get("cap_per_day"), limits.get("cooldown_s")
    return ActionLimits(
        cap_per_day=None if cap is None else _whole(f"actions.{name}.limits.cap_per_day", cap, low=1, high=1_000_000),
        cooldown_ms=None
        if cooldown is None
        else 1000 * _whole(f"actions.{name}.limits.cooldown_s", cooldown, low=1, high=86_400),
    )


def _ticket(name: str, ticket: Any) -> TicketRule | None:
    if ticket is None:
        return None
    if not isinstance(ticket, dict) or set(ticket) - _TICKET:
        raise BadCatalogue(f"actions.{name}.ticket may hold only {', '.join(sorted(_TICKET))}")
    where = f"actions.{name}.ticket"
    after_s = _whole(f"{where}.after_s", ticket.get("after_s", 0), low=0, high=TICKET_S_MAX)
    valid_s = _whole(f"{where}.valid_s", ticket.get("valid_s"), low=1, high=TICKET_S_MAX)
    if after_s >= valid_s:
        raise BadCatalogue(f"{where}.after_s = {after_s} must be less than valid_s = {valid_s}")
    return TicketRule(after_ms=1000 * after_s, valid_ms=1000 * valid_s)


def _whole(where: str, value: object, *, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise BadCatalogue(f"{where} = {value!r} must be a whole number from {low} to {high}")
    return value
