"""GET /actions/{id}: what became of an action, asked by its user or by a service that may write for all."""

from uuid import UUID

from contracts.ids import ActionId, UserId
from contracts.periods import ALL_TIME
from contracts.problems import FOREIGN_USER, NOT_FOUND
from gateway.http_answers import Receive, Scope, Send, id_in
from gateway.http_guard import caller_in
from gateway.http_reads import ReadDesk
from gateway.postgres_closed import ArchiveAway, ClosedBoards
from gateway.problem import Problem
from gateway.read_queries import parse_receipt_query
from gateway.receipts import Archived, Receipt, receipt, state_of
from gateway.redis_ranks import ShardRanks


class ReceiptEndpoint:
    """Asks the user's shard, which knows first, and the archive, which knows best."""

    def __init__(self, desk: ReadDesk, shards: ShardRanks, *, archive: ClosedBoards, window_ms: int) -> None:
        self._desk = desk
        self._shards = shards
        self._archive = archive
        self._window_ms = window_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """Answer one request."""
        await self._desk.answer(send, self._made(scope))

    async def _made(self, scope: Scope) -> Receipt | Problem:
        query, caller = parse_receipt_query(scope["query_string"]), caller_in(scope)
        if isinstance(query, Problem):
            return query
        user = query.user_id or caller.subject
        if user != caller.subject and not caller.may_write_any:
            return Problem(FOREIGN_USER, "The token speaks for another user than user_id.")
        try:
            action_id = ActionId(str(UUID(id_in(scope))))
        except ValueError:
            return Problem(NOT_FOUND, "An action_id is a UUID.")
        is_counted, next_offset = await self._shards.counted(user, action_id, window_ms=self._window_ms)
        archived = await self._archived(user, action_id, offset=query.offset)
        state = state_of(archived, is_counted=is_counted, offset=query.offset, next_offset=next_offset)
        if state is None:
            return Problem(NOT_FOUND, "Nothing is known of this action of this user; it may be on its way.")
        ranked = await self._shards.ranks(ALL_TIME, [user], wants_above=False)
        return receipt(
            action_id, user, state=state, place=ranked.places.get(user), is_self=user == caller.subject
        )  # fmt: skip

    async def _archived(self, user: UserId, action_id: ActionId, *, offset: int | None) -> Archived | None:
        """None also while the archive is away: the shard's word is enough where it has one."""
        if not self._archive.exists:
            return None
        try:
            return await self._archive.outcome(user, action_id, offset=offset)
        except ArchiveAway:
            return None
