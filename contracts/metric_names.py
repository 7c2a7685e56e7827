"""Every metric: its name, what it means, its labels and its buckets. Units end the name. Labels are bounded sets."""

from dataclasses import dataclass
from typing import Final, Literal

LATENCY_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SIZE_BUCKETS: Final = (1.0, 10.0, 100.0, 1_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0)


@dataclass(frozen=True, slots=True)
class MetricName:
    """One metric as declared."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, meaning: str, *labels: str) -> MetricName:
    return MetricName(name, "counter", meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> MetricName:
    return MetricName(name, "gauge", meaning, labels)


def _seconds(name: str, meaning: str, *labels: str) -> MetricName:
    return MetricName(name, "histogram", meaning, labels, LATENCY_BUCKETS_S)


def _size(name: str, meaning: str, *labels: str) -> MetricName:
    return MetricName(name, "histogram", meaning, labels, SIZE_BUCKETS)


# Gateway
ACTIONS_ACCEPTED: Final = _counter("shardboard_actions_accepted_total", "Actions that Kafka acknowledged")
ACTIONS_REFUSED: Final = _counter("shardboard_actions_refused_total", "Actions refused, by problem code", "code")
ACTIONS_PENDING: Final = _gauge("shardboard_actions_pending", "Actions that wait for Kafka's acknowledgement")
PRODUCE_SECONDS: Final = _seconds(
    "shardboard_produce_seconds", "From a batch's first action to Kafka's acknowledgement"
)
PRODUCER_REBUILDS: Final = _counter("shardboard_producer_rebuilds_total", "Wedged producers that were replaced")
SSE_CLIENTS: Final = _gauge("shardboard_sse_clients", "Open live streams")
BOARD_READS: Final = _counter("shardboard_board_reads_total", "GET /leaderboard answers, by status", "status")
BOARD_AGE_SECONDS: Final = _gauge("shardboard_board_age_seconds", "Time since the merger was last heard of")
TOKEN_CACHE: Final = _counter("shardboard_token_cache_total", "Verified-token look-ups: hit or miss", "result")
TOKENS_REVOKED: Final = _counter("shardboard_tokens_revoked_total", "Requests refused because their token was revoked")
REVOCATIONS: Final = _gauge("shardboard_revocations", "Revocations that have an effect, as this gateway knows them")
REVOCATIONS_AGE_SECONDS: Final = _gauge(
    "shardboard_revocations_age_seconds", "Time since the revocations were last read from Postgres; +Inf: never"
)
JWKS_AGE_SECONDS: Final = _gauge(
    "shardboard_jwks_age_seconds", "Time since the issuer's keys were last read; +Inf: never"
)

# Shard worker
RECORDS_APPLIED: Final = _counter("shardboard_records_applied_total", "Records applied", "shard")
LAG_RECORDS: Final = _gauge(
    "shardboard_lag_records", "Records between the applied offset and the log's end", "shard", "partition"
)
LAG_SECONDS: Final = _gauge(
    "shardboard_lag_seconds", "Age of the last applied record while newer ones wait; 0: none", "shard", "partition"
)
APPLY_SECONDS: Final = _seconds("shardboard_apply_seconds", "One pipelined round trip of apply calls", "shard")
APPLY_BATCH: Final = _size("shardboard_apply_batch_records", "Records in one round trip of apply calls", "shard")
FOLD_FACTOR: Final = _gauge("shardboard_fold_factor", "Records per distinct user and board in the last batch", "shard")
DUPLICATES: Final = _counter("shardboard_duplicates_total", "Repeated actions dropped", "shard")
FENCED: Final = _counter("shardboard_fenced_total", "Apply calls refused by the fence", "shard")
SEEKS: Final = _counter("shardboard_seeks_total", "Positions corrected by the shard's Redis", "shard")
DEAD_LETTERS: Final = _counter("shardboard_dead_letters_total", "Records diverted, by reason", "shard", "reason")
PUBLICATIONS: Final = _counter("shardboard_publications_total", "Shard tops published", "shard")
PARTITIONS_WAITING: Final = _gauge(
    "shardboard_partitions_waiting", "Partitions that nobody applies while they are moved", "shard"
)
MAP_VERSION: Final = _gauge("shardboard_map_version", "Version of the shard map that the worker serves by", "shard")
MAP_REFUSED: Final = _gauge(
    "shardboard_map_refused", "1 while the map in Postgres is older than the one that the shard knows", "shard"
)
RECOMPUTATIONS: Final = _counter("shardboard_top_recomputations_total", "Tops read anew from the ZSETs", "shard")
PARTITIONS_RESTORING: Final = _gauge(
    "shardboard_partitions_restoring", "Partitions whose state is gone and that are being restored", "shard"
)
PARTITIONS_REFUSED: Final = _gauge(
    "shardboard_partitions_refused", "Partitions that are not served because they cannot be restored", "shard"
)
PARTITIONS_HALTED: Final = _gauge(
    "shardboard_partitions_halted", "Partitions not read on because most of their newest records are dead", "shard"
)
RESTORES: Final = _counter("shardboard_restores_total", "Attempts to restore a partition", "shard", "outcome")
MOVES: Final = _counter(
    "shardboard_moves_total", "Handovers of partitions to this shard that ended: switched or over", "shard", "outcome"
)
MOVED_ROWS: Final = _counter("shardboard_moved_rows_total", "Rows of all keys copied from other shards", "shard")

# Merger
MERGE_SECONDS: Final = _seconds("shardboard_merge_seconds", "From a shard top's arrival to the board in the cache")
BOARDS_WRITTEN: Final = _counter("shardboard_boards_written_total", "Global boards written, by kind of period", "kind")
WRITES_REFUSED: Final = _counter("shardboard_board_writes_refused_total", "Boards that another merger had overtaken")
VISIBLE_SECONDS: Final = _seconds(
    "shardboard_submit_to_visible_seconds", "From Kafka's append to the board in the cache"
)
TOP_MEMBERSHIP_CHANGES: Final = _counter(
    "shardboard_top_membership_changes_total", "Users who entered the top 10, by kind of period", "kind"
)
SHARD_SILENCE_SECONDS: Final = _gauge(
    "shardboard_shard_silence_seconds", "Time since a shard's last publication", "shard"
)
SHARDS_STALE: Final = _gauge("shardboard_shards_stale", "Shards that the boards list as stale")
PARTITIONS_HELD: Final = _gauge(
    "shardboard_partitions_held", "Partitions whose earlier rows are carried until published from there onwards"
)
BOARDS_INCOMPLETE: Final = _gauge("shardboard_boards_incomplete", "Boards whose lower rows cannot be vouched for")
SHARD_TOPS_IGNORED: Final = _counter(
    "shardboard_shard_tops_ignored_total", "Shard tops not merged: older than the known one, or damaged", "reason"
)
CACHE_LOSSES: Final = _counter("shardboard_merger_cache_losses_total", "Times the merger lost the cache or its data")

# Archiver
RECORDS_ARCHIVED: Final = _counter("shardboard_records_archived_total", "Records archived, by outcome", "outcome")
ARCHIVE_SECONDS: Final = _seconds("shardboard_archive_seconds", "One transaction of raw rows")
SCORES_SECONDS: Final = _seconds("shardboard_archive_scores_seconds", "One transaction of scores")
ARCHIVE_LAG_RECORDS: Final = _gauge("shardboard_archive_lag_records", "Records not archived yet", "partition")
SCORES_PENDING: Final = _gauge("shardboard_archive_scores_pending", "Archived actions that are not in the scores yet")
POSITIONS_MOVED: Final = _counter(
    "shardboard_archive_positions_moved_total", "Transactions refused because another archiver was ahead"
)
ARCHIVE_SESSIONS: Final = _counter(
    "shardboard_archive_sessions_total", "Times the archiver began anew, by reason", "reason"
)
BOARDS_CLOSED: Final = _counter("shardboard_boards_closed_total", "Boards closed, by kind of period", "kind")
BOARDS_DROPPED: Final = _counter("shardboard_boards_dropped_total", "Closed boards dropped from shards, per partition")
ROWS_RETIRED: Final = _counter("shardboard_rows_retired_total", "Rows deleted because of their age", "table")

# Auditor
AUDIT_DIFFERENCES: Final = _gauge(
    "shardboard_audit_differences", "Partitions whose totals differ from the log's at the same offset"
)
AUDIT_UNTOLD: Final = _gauge("shardboard_audit_untold", "Partitions whose log no longer reaches back far enough")
AUDITED_OFFSET: Final = _gauge("shardboard_audited_offset", "Offset that the auditor has counted up to", "partition")
AUDIT_AGE_SECONDS: Final = _gauge(
    "shardboard_audit_age_seconds", "Time since the partition that waits longest was compared"
)

ALL: Final = tuple(value for value in list(globals().values()) if isinstance(value, MetricName))
