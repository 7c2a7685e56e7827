"""The reading side of the gateway beyond the tops in memory: its parts, its routes, its life."""

import asyncio
import secrets

from contracts.moves import WEIGHT_DEFAULT, StoredMap
from contracts.shard_map import ShardEntry
from contracts.tokens import SECRET_BYTES_MIN
from foundation.map_follower import MapFollower
from foundation.postgres_map import MapStore
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import StopSignal
from gateway.access import ANYBODY, NOTHING, TOKEN
from gateway.app import Route
from gateway.cursors import CursorSigner
from gateway.http_bodies import BodyReader
from gateway.http_periods import PeriodsEndpoint
from gateway.http_reads import AroundEndpoint, RankEndpoint, RanksEndpoint, ReadDesk, WalkEndpoint
from gateway.http_receipts import ReceiptEndpoint
from gateway.movements import Movements
from gateway.postgres_beside import BesideReader
from gateway.postgres_closed import ClosedBoards
from gateway.redis_any_board import AnyBoard
from gateway.redis_kept_map import know_kept_map
from gateway.redis_own_places import OwnPlaces
from gateway.redis_ranks import ShardRanks
from gateway.redis_shards import ShardReads
from gateway.settings import Settings
from partitioning.ring import static_map


class ReadSide:
    """One per gateway. Without Postgres the shard map is what the settings say, and nothing ever moves."""

    def __init__(self, settings: Settings, bodies: BodyReader) -> None:
        common = settings.common
        self._common = common
        self._mark: ClusterMark | None = None
        self._store = MapStore(common.postgres_url, name="shardboard gateway")
        self._maps = MapFollower(self._store)
        self._shards = ShardReads(self._maps)
        self.archive = ClosedBoards(common.postgres_url, mark=lambda: self._mark)
        self.movements = Movements()
        """Ranks of before; a MovementReader keeps them."""
        ranks = ShardRanks(self._shards)
        boards = AnyBoard(ranks, self.archive, rules=common.rules)
        self._secret = settings.authority.ticket_secret or settings.tokens.secret
        self._signer = signer = CursorSigner(self._secret or secrets.token_hex(SECRET_BYTES_MIN))
        desk = ReadDesk(boards, BesideReader(self.archive, self.movements), calendar=common.calendar, signer=signer)
        self.walk = WalkEndpoint(desk)
        """What GET /leaderboard cannot answer from memory."""
        self.own_places = OwnPlaces(desk)
        """Follows the users that streams name."""
        receipts = ReceiptEndpoint(desk, ranks, archive=self.archive, window_ms=common.rules.window_ms)
        rank, around, periods = RankEndpoint(desk), AroundEndpoint(desk), PeriodsEndpoint(desk, self.archive)
        self.routes = [
            *(Route(method, "/users/{id}/rank", rank, needs=ANYBODY) for method in ("GET", "HEAD")),
            *(Route(method, "/users/{id}/around", around, needs=ANYBODY) for method in ("GET", "HEAD")),
            *(Route(method, "/actions/{id}", receipts, needs=TOKEN) for method in ("GET", "HEAD")),
            Route("POST", "/ranks", RanksEndpoint(desk, bodies), needs=ANYBODY),
            *(Route(method, "/periods", periods, needs=NOTHING) for method in ("GET", "HEAD")),
        ]

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Follow the shard map, and the users that streams name, until cancelled."""
        tasks.create_task(self.own_places.run(), name="own places")
        if self._common.postgres_url:
            tasks.create_task(self._maps.run(StopSignal()), name="map follower")
            tasks.create_task(know_kept_map(self._maps, self._common.shards), name="kept map")

    def learn(self, mark: ClusterMark) -> None:
        """Which deployment this is, once Kafka told."""
        self._mark = mark
        self._shards.deployment = mark.deployment
        if not self._secret:  # with public keys only; the cluster's random id is what all gateways share
            self._signer.use(mark.deployment)
        if not self._common.postgres_url:
            addresses = self._common.shards
            shard_map = static_map(mark.partitions, [address.shard for address in addresses])
            entries = tuple(ShardEntry(address.shard, address.url, WEIGHT_DEFAULT) for address in addresses)
            self._maps.take(StoredMap(shard_map.version, shard_map, entries))

    async def close(self) -> None:
        """Give all connections back; may be called twice."""
        await self._shards.close()
        await self.archive.close()
        await self._store.close()
