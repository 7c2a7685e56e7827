"""What the reading routes answer: places, pages, friends. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from contracts.board_reads import Row
from contracts.ids import LogMs, PeriodId, UserId
from contracts.ranking import OrderKey, competition_ranks
from gateway.board_bytes import NO_PREVIOUS, BoardAnswer, BoardEntry, PreviousRanks
from gateway.board_walk import key_of
from gateway.cursors import LIFE_MS, Cursor, CursorSigner
from gateway.rank_counts import Place
from gateway.ranked import Ranked, RankedPage, RankedRow

Names = Mapping[UserId, str]


@dataclass(frozen=True, slots=True)
class Beside:
    """What entries carry beside places."""

    names: Names
    previous: PreviousRanks = NO_PREVIOUS

    def name_of(self, row: Row) -> str | None:
        """A name that came with the row is the newest."""
        return self.names.get(row.user_id) if isinstance(row.name, bool) else row.name


class RankAnswer(msgspec.Struct, frozen=True):
    """One user's place on one board."""

    period: str
    user_id: str
    name: str | None
    rank: int
    """Equal scores share a rank (1, 2, 2, 4)."""
    score: int
    total: int
    """Users on the board."""
    percentile: float
    """Of all users on the board, how many per cent have no higher score."""
    to_next: int | None
    """Points missing to the next better rank; null for the first."""
    as_of: int | None
    """Unix ms of log time up to which every partition's actions are contained."""
    exact: bool = True
    """A hidden user, who alone sees this place, is told nothing else than everybody: the parked score's place."""
    previous_rank: int | UnsetType | None = UNSET
    """As entries of boards have it."""


class PageAnswer(msgspec.Struct, frozen=True):
    """Some rows of a board, in its order."""

    period: str
    total: int
    as_of: int | None
    entries: tuple[BoardEntry, ...]
    next: str | None
    """Cursor of the page below; null at the end."""
    previous: str | None
    """Cursor of the page above; null at the top."""


class FriendEntry(msgspec.Struct, frozen=True):
    """One of some users."""

    rank: int
    """On the whole board."""
    rank_among: int
    """Among those who were asked for."""
    user_id: str
    name: str | None
    score: int
    previous_rank: int | UnsetType | None = UNSET
    """As entries of boards have it, on the whole board."""


class RanksAnswer(msgspec.Struct, frozen=True):
    """Some users, best first."""

    period: str
    total: int
    as_of: int | None
    entries: tuple[FriendEntry, ...]
    missing: tuple[str, ...]
    """Who is not on the board."""


def rank_answer(period: PeriodId, place: Place, *, beside: Beside, as_of_ms: int | None) -> RankAnswer:
    """One place."""
    return RankAnswer(
        period=period,
        user_id=place.user_id,
        name=beside.names.get(place.user_id),
        rank=place.rank,
        score=place.score,
        total=place.total,
        percentile=place.percentile,
        to_next=place.to_next,
        as_of=as_of_ms,
        previous_rank=beside.previous.of(place.user_id, place.rank),
    )


def page_answer(
    period: PeriodId, page: RankedPage, *, is_top: bool, beside: Beside, signer: CursorSigner, now_ms: int
) -> PageAnswer:
    """A page. `page.is_end` is about its lower end, `is_top` about its upper one."""
    rows = page.rows
    return PageAnswer(
        period=period,
        total=page.total,
        as_of=page.as_of_ms,
        entries=entries_of(rows, beside),
        next=None if page.is_end or not rows else cursor_at(period, rows[-1].row, signer=signer, now_ms=now_ms),
        previous=None
        if is_top or not rows
        else cursor_at(period, rows[0].row, signer=signer, now_ms=now_ms, is_back=True),
    )


def board_answer(period: PeriodId, page: RankedPage, *, names: Names) -> BoardAnswer:
    """The top of a board that is over, as boards in memory are told. Its version is when it was closed: the last."""
    return BoardAnswer(
        period=period,
        version=page.as_of_ms or 0,
        as_of=page.as_of_ms,
        complete=True,
        stale=False,
        stale_shards=(),
        entries=entries_of(page.rows, Beside(names)),
    )


def friends_answer(period: PeriodId, ranked: Ranked, *, asked: Iterable[UserId], beside: Beside) -> RanksAnswer:
    """Some users ranked globally and among themselves."""
    ordered = in_order(ranked.places.values())
    among = competition_ranks([place.score for place in ordered])
    return RanksAnswer(
        period=period,
        total=max((place.total for place in ordered), default=0),
        as_of=ranked.as_of_ms,
        entries=tuple(
            FriendEntry(
                place.rank,
                rank_among,
                place.user_id,
                beside.names.get(place.user_id),
                place.score,
                beside.previous.of(place.user_id, place.rank),
            )
            for rank_among, place in zip(among, ordered, strict=True)
        ),
        missing=tuple(user for user in asked if user not in ranked.places),
    )


def filtered_answer(period: PeriodId, ranked: Ranked, *, beside: Beside) -> PageAnswer:
    """The board with some users only, with their ranks on the whole of it."""
    ordered = in_order(ranked.places.values())
    return PageAnswer(
        period=period,
        total=max((place.total for place in ordered), default=0),
        as_of=ranked.as_of_ms,
        entries=entries_of(map(row_of, ordered), beside),
        next=None,
        previous=None,
    )


def entries_of(rows: Iterable[RankedRow], beside: Beside) -> tuple[BoardEntry, ...]:
    """Rows as boards show them."""
    return tuple(
        BoardEntry(
            rank, row.user_id, beside.name_of(row), row.score, beside.previous.of(row.user_id, rank)
        )
        for rank, row in ((each.rank, each.row) for each in rows)
    )  # fmt: skip


def row_of(place: Place) -> RankedRow:
    """A place as a row."""
    return RankedRow(place.rank, Row(place.user_id, place.score, LogMs(place.scored_at)))


def in_order(places: Iterable[Place]) -> list[Place]:
    """Places in board order."""
    return sorted(places, key=_key)


def cursor_at(period: PeriodId, row: Row, *, signer: CursorSigner, now_ms: int, is_back: bool = False) -> str:
    """The cursor just beyond a row."""
    return signer.write(Cursor(period, row.score, row.scored_at, row.user_id, is_back, now_ms + LIFE_MS))


def _key(place: Place) -> OrderKey:
    return key_of(Row(place.user_id, place.score, place.scored_at))
