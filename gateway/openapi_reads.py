"""The OpenAPI description of the reading routes: boards, pages, ranks, friends, periods. Pure."""

from typing import Any, Final

from contracts.ids import SCORE_LIMIT, USER_ID_BYTES_MAX
from contracts.problems import (
    ARCHIVE_UNAVAILABLE,
    BOARD_UNAVAILABLE,
    INVALID_FIELD,
    NOT_FOUND,
    SHARD_UNAVAILABLE,
    UNAUTHENTICATED,
    UNKNOWN_PERIOD,
    ProblemKind,
)
from contracts.tops import GLOBAL_TOP_ROWS
from gateway.board_bytes import BoardAnswer
from gateway.board_query import LIMIT_DEFAULT
from gateway.cursors import CURSOR_CHARS_MAX
from gateway.openapi_parts import BODY_PROBLEMS, REF, TOKEN, Document, json_answer, json_body, operation
from gateway.periods_answer import PeriodsAnswer
from gateway.read_answers import PageAnswer, RankAnswer, RanksAnswer
from gateway.read_queries import (
    CLOSED_DEFAULT,
    CLOSED_MAX,
    NEIGHBOURS_DEFAULT,
    NEIGHBOURS_MAX,
    RANK_MAX,
    USERS_IN_QUERY_MAX,
    RanksBody,
)

READ_STRUCTS: Final[tuple[Any, ...]] = (BoardAnswer, PageAnswer, RankAnswer, RanksAnswer, RanksBody, PeriodsAnswer)
_PERIOD_TEXT: Final = (
    "all_time, daily, weekly, monthly, every6h … (the current one), or an id such as daily:2026-11-24, "
    "weekly:2026-W48, monthly:2026-11, every6h:2026-11-24T18"
)
_AWAY: Final[tuple[ProblemKind, ...]] = (UNKNOWN_PERIOD, INVALID_FIELD, SHARD_UNAVAILABLE, ARCHIVE_UNAVAILABLE)
_SELF: Final[list[Document]] = [{}, {TOKEN: []}]
"""A token is not needed; with one a hidden user sees himself."""


def read_paths() -> Document:
    """The paths by their names."""
    return {
        "/leaderboard": {"get": _get_board()},
        "/users/{id}/rank": {"get": _get_rank()},
        "/users/{id}/around": {"get": _get_around()},
        "/ranks": {"post": _post_ranks()},
        "/periods": {"get": _get_periods()},
    }


def period_parameter() -> Document:
    """`period` in a query."""
    return _query("period", _PERIOD_TEXT, schema={"type": "string", "default": "all_time"})


def _get_board() -> Document:
    answer = json_answer(200, "The board, or a page of it.", schema="BoardAnswer", headers=_tag())
    shapes = [{"$ref": REF.format(name=name)} for name in ("BoardAnswer", "PageAnswer")]
    answer["200"]["content"]["application/json"]["schema"] = {"oneOf": shapes}
    text: Document = {"type": "string"}
    cursor, score = {**text, "maxLength": CURSOR_CHARS_MAX}, _whole(1 - SCORE_LIMIT, SCORE_LIMIT - 1)
    return {
        **operation(
            "Read a board",
            {**answer, "304": {"description": "Not changed since the version in If-None-Match."}},
            *_AWAY, BOARD_UNAVAILABLE, UNAUTHENTICATED,
        ),
        "description": "Without `cursor`, `rank`, `score` and `users` the top, from memory: a BoardAnswer. With one of "
        "them a PageAnswer: a page of the whole board, or only the users named, with ranks as they are now. "
        "Entries of a board that goes on carry `previous_rank`, here and in every answer with ranks of users: that of "
        "the last closed day, on its board for a daily one, else on this board when that day ended. null: not there "
        "then, or not among the first hundred, which are noted of other than daily boards; absent: not known, or "
        "nothing to compare with.",
        "security": _SELF,
        "parameters": [
            period_parameter(),
            _query("limit", "rows", schema=_whole(1, GLOBAL_TOP_ROWS, default=LIMIT_DEFAULT)),
            _query("cursor", "`next` or `previous` of a page; good for a day", schema=cursor),
            _query("rank", "begin with the best of those who share this rank", schema=_whole(1, RANK_MAX)),
            _query("score", "begin with the best who have at most so many points", schema=score),
            _query("users", f"only these, at most {USERS_IN_QUERY_MAX}; a comma in an id is sent as %2C", schema=text),
            {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}},
        ],
    }  # fmt: skip


def _get_rank() -> Document:
    return {
        **operation(
            "Read the rank of a user",
            json_answer(200, "The user's place, exact at some offset of every partition.", schema="RankAnswer"),
            *_AWAY, NOT_FOUND, UNAUTHENTICATED,
        ),
        "description": "A hidden user sees, with a token of his own, the rank that the parked score would have.",
        "security": _SELF,
        "parameters": [user_parameter(), period_parameter()],
    }  # fmt: skip


def _get_around() -> Document:
    side = _whole(0, NEIGHBOURS_MAX, default=NEIGHBOURS_DEFAULT)
    return {
        **operation(
            "Read the neighbours of a user",
            json_answer(200, "The user's row between the nearest others.", schema="PageAnswer"),
            *_AWAY, NOT_FOUND, UNAUTHENTICATED,
        ),
        "security": _SELF,
        "parameters": [
            user_parameter(),
            period_parameter(),
            _query("before", "rows above", schema=side),
            _query("after", "rows below", schema=side),
        ],
    }  # fmt: skip


def _post_ranks() -> Document:
    return {
        **operation(
            "Rank some users",
            json_answer(200, "Their ranks on the whole board, and among themselves.", schema="RanksAnswer"),
            *_AWAY, *BODY_PROBLEMS[:-1], UNAUTHENTICATED,
        ),
        "security": _SELF,
        "requestBody": json_body(RanksBody.__name__),
    }  # fmt: skip


def _get_periods() -> Document:
    return {
        **operation(
            "List periods",
            json_answer(200, "What goes on now, and which closed boards can be read.", schema="PeriodsAnswer"),
            UNKNOWN_PERIOD, INVALID_FIELD,
        ),
        "parameters": [
            _query("kind", "only this kind of period", schema={"type": "string"}),
            _query("before", "closed boards of the kind before this one", schema={"type": "string"}),
            _query("limit", "closed boards of each kind", schema=_whole(1, CLOSED_MAX, default=CLOSED_DEFAULT)),
        ],
    }  # fmt: skip


def user_parameter() -> Document:
    """The user in a path."""
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": f"the user, 1 to {USER_ID_BYTES_MAX} bytes of UTF-8; `/` is sent as %2F",
        "schema": {"type": "string", "minLength": 1, "maxLength": USER_ID_BYTES_MAX},
    }


def _query(name: str, description: str, *, schema: Document) -> Document:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _whole(low: int, high: int, **more: int) -> Document:
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def _tag() -> Document:
    return {"ETag": {"description": "of the top in memory", "schema": {"type": "string"}}}
