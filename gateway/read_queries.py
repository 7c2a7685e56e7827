"""Reads the queries and bodies of the reading routes: whose rank, how many neighbours, where a page begins. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from msgspec import Meta

from contracts.ids import SCORE_LIMIT, USER_ID_BYTES_MAX, UserId, user_id_fault
from contracts.periods import ALL_TIME, Period, PeriodCalendar
from contracts.problems import INVALID_FIELD, FieldError
from contracts.tops import GLOBAL_TOP_ROWS
from gateway.board_query import LIMIT_DEFAULT, parse_period
from gateway.cursors import CURSOR_CHARS_MAX
from gateway.field_faults import pointer_to
from gateway.problem import Problem
from gateway.strict_body import parse_strict

NEIGHBOURS_DEFAULT: Final = 5
NEIGHBOURS_MAX: Final = 50
USERS_IN_QUERY_MAX: Final = 100
USERS_IN_BODY_MAX: Final = 1_000
"""A friends list; each costs a count in every partition, some ms of each shard for a thousand."""
RANKS_BODY_BYTES_MAX: Final = 256 * 1024
"""A thousand ids of 128 bytes, some of them escaped."""
QUERY_BYTES_MAX: Final = 16 * 1024
"""A hundred ids of 40 characters, percent-encoded. The server takes no longer request line than 64 KiB anyway."""
CLOSED_DEFAULT: Final = 31
"""Closed boards of each kind: a month of days."""
CLOSED_MAX: Final = 366
RANK_MAX: Final = 10**12
WALKING: Final = frozenset({"cursor", "rank", "score", "users"})
"""Parameters of GET /leaderboard that a board in memory cannot answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which board. `fixed` is None where it is the current one of a kind."""

    period: str
    fixed: Period | None


@dataclass(frozen=True, slots=True)
class WalkQuery:
    """A page of GET /leaderboard; at most one of the four says where. None does for the top of a closed board."""

    target: Target | None
    """None: the cursor's."""
    limit: int
    cursor: str | None = None
    rank: int | None = None
    score: int | None = None
    users: tuple[UserId, ...] | None = None


@dataclass(frozen=True, slots=True)
class AroundQuery:
    """How many neighbours on each side."""

    target: Target
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class PeriodsQuery:
    """Which closed boards of GET /periods."""

    limit: int
    kind: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptQuery:
    """Whose action, and where in the log it is said to stand."""

    user_id: UserId | None
    offset: int | None


class RanksBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to rank, globally and among themselves."""

    users: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=USER_ID_BYTES_MAX)], ...],
        Meta(min_length=1, max_length=USERS_IN_BODY_MAX, description="user ids; one named twice counts once"),
    ]
    period: Annotated[str, Meta(max_length=64, description="as in the query of GET /leaderboard")] = ALL_TIME


_decoder = msgspec.json.Decoder(RanksBody)


def parse_rank_query(raw: bytes, calendar: PeriodCalendar) -> Target | Problem:
    """`period`."""
    values = _parameters(raw, ("period",))
    return values if isinstance(values, Problem) else _target(values, calendar)


def parse_around_query(raw: bytes, calendar: PeriodCalendar) -> AroundQuery | Problem:
    """`period`, `before`, `after`."""
    values = _parameters(raw, ("period", "before", "after"))
    if isinstance(values, Problem):
        return values
    target = _target(values, calendar)
    if isinstance(target, Problem):
        return target
    sides: list[int] = []
    for name in ("before", "after"):
        count = _whole(values.get(name, str(NEIGHBOURS_DEFAULT)), low=0, high=NEIGHBOURS_MAX)
        if count is None:
            return invalid(name, f"must be a whole number from 0 to {NEIGHBOURS_MAX}")
        sides.append(count)
    return AroundQuery(target, *sides)


def parse_periods_query(raw: bytes) -> PeriodsQuery | Problem:
    """`kind`, and of it `before` and `limit`."""
    values = _parameters(raw, ("kind", "before", "limit"))
    if isinstance(values, Problem):
        return values
    if "before" in values and "kind" not in values:
        return invalid("before", "needs a kind")
    limit = _whole(values.get("limit", str(CLOSED_DEFAULT)), low=1, high=CLOSED_MAX)
    if limit is None:
        return invalid("limit", f"must be a whole number from 1 to {CLOSED_MAX}")
    return PeriodsQuery(limit, values.get("kind"), values.get("before"))


def parse_receipt_query(raw: bytes) -> ReceiptQuery | Problem:
    """`user_id` and `offset`, as POST /actions took and gave them."""
    values = _parameters(raw, ("user_id", "offset"))
    if isinstance(values, Problem):
        return values
    user, offset = values.get("user_id"), None
    if user is not None and (fault := user_id_fault(user)) is not None:
        return invalid("user_id", fault)
    if "offset" in values:
        offset = _whole(values["offset"], low=0, high=SCORE_LIMIT - 1)
        if offset is None:
            return invalid("offset", "must be a whole number")
    return ReceiptQuery(None if user is None else UserId(user), offset)


def is_walking(raw: bytes) -> bool:
    """Whether a query of GET /leaderboard asks for more than the top in memory."""
    return any(part.partition(b"=")[0].decode("latin-1") in WALKING for part in raw.split(b"&"))


def parse_walk_query(raw: bytes, calendar: PeriodCalendar) -> WalkQuery | Problem:
    """`period`, `limit`, and at most one of `cursor`, `rank`, `score`, `users`."""
    values = _parameters(raw, ("period", "limit", *WALKING))
    if isinstance(values, Problem):
        return values
    starts = sorted(WALKING & values.keys())
    if len(starts) > 1:
        return invalid(starts[1], f"cannot be given together with {starts[0]}")
    limit = _whole(values.get("limit", str(LIMIT_DEFAULT)), low=1, high=GLOBAL_TOP_ROWS)
    if limit is None:
        return invalid("limit", f"must be a whole number from 1 to {GLOBAL_TOP_ROWS}")
    target = None if "cursor" in values and "period" not in values else _target(values, calendar)
    if isinstance(target, Problem):
        return target
    return _walk(values, limit=limit, target=target, raw=raw)


def split_user(raw: bytes) -> tuple[bytes, UserId | None] | Problem:
    """The query of a stream without `user`, and the user; so that streams of many users are of one board."""
    if b"user=" not in raw:
        return raw, None
    rest = [part for part in raw.split(b"&") if not part.startswith(b"user=")]
    given = [part for part in raw.split(b"&") if part.startswith(b"user=")]
    if len(given) > 1:
        return invalid("user", "is given more than once")
    if not given:
        return raw, None
    user = unquote_to_bytes(given[0].removeprefix(b"user=").replace(b"+", b" ")).decode(errors="replace")
    fault = user_id_fault(user)
    return invalid("user", fault) if fault is not None else (b"&".join(rest), UserId(user))


def parse_ranks_body(data: bytes, calendar: PeriodCalendar) -> tuple[Target, tuple[UserId, ...]] | Problem:
    """The body of POST /ranks."""
    body = parse_strict(data, _decoder)
    if isinstance(body, Problem):
        return body
    target = _target({"period": body.period}, calendar)
    if isinstance(target, Problem):
        return target
    for n, user in enumerate(body.users):
        fault = user_id_fault(user)
        if fault is not None:
            return Problem(
                INVALID_FIELD, f"A user id {fault}.", errors=(FieldError(pointer_to("users", str(n)), fault),)
            )
    return target, tuple(UserId(user) for user in dict.fromkeys(body.users))


def invalid(name: str, detail: str) -> Problem:
    """A parameter that cannot be used."""
    return Problem(INVALID_FIELD, f"{name} {detail}.", errors=(FieldError(pointer_to(name), detail),))


def _walk(values: Mapping[str, str], *, limit: int, target: Target | None, raw: bytes) -> WalkQuery | Problem:
    if "cursor" in values:
        cursor = values["cursor"]
        if not cursor.isascii() or len(cursor) > CURSOR_CHARS_MAX:
            return invalid("cursor", "is not a cursor")
        return WalkQuery(target, limit, cursor=cursor)
    if "rank" in values:
        rank = _whole(values["rank"], low=1, high=RANK_MAX)
        return invalid("rank", "must be a whole number from 1") if rank is None else WalkQuery(target, limit, rank=rank)
    if "score" in values:
        text = values["score"]
        score = _whole(text.removeprefix("-"), low=0, high=SCORE_LIMIT - 1)
        if score is None:
            return invalid("score", "must be a whole number of less than 2^53")
        return WalkQuery(target, limit, score=-score if text.startswith("-") else score)
    if "users" not in values:
        return WalkQuery(target, limit)
    users = _users(raw)
    return users if isinstance(users, Problem) else WalkQuery(target, limit, users=users)


def _users(raw: bytes) -> tuple[UserId, ...] | Problem:
    """Ids between commas; a comma inside an id is sent as %2C."""
    (given,) = (part.partition(b"=")[2] for part in raw.split(b"&") if part.partition(b"=")[0] == b"users")
    users = [unquote_to_bytes(part.replace(b"+", b" ")).decode(errors="replace") for part in given.split(b",")]
    if len(users) > USERS_IN_QUERY_MAX:
        return invalid("users", f"may name at most {USERS_IN_QUERY_MAX} users; POST /ranks takes {USERS_IN_BODY_MAX}")
    for user in users:
        fault = user_id_fault(user)
        if fault is not None:
            return invalid("users", f"has an id that {fault}")
    return tuple(UserId(user) for user in dict.fromkeys(users))


def _parameters(raw: bytes, known: tuple[str, ...]) -> dict[str, str] | Problem:
    """The known parameters; others are ignored."""
    if len(raw) > QUERY_BYTES_MAX:
        return Problem(INVALID_FIELD, f"The query may have at most {QUERY_BYTES_MAX} bytes.")
    values: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        if name in known:
            if name in values:
                return invalid(name, "is given more than once")
            values[name] = value
    return values


def _target(values: Mapping[str, str], calendar: PeriodCalendar) -> Target | Problem:
    period = values.get("period", ALL_TIME)
    fixed = parse_period(period, calendar)
    return fixed if isinstance(fixed, Problem) else Target(period, fixed)


def _whole(text: str, *, low: int, high: int) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        return None
    return int(text) if low <= int(text) <= high else None
