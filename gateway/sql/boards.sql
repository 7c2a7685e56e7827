-- The top of running boards, for a gateway that never reached the cache. All of one reading in one REPEATABLE READ
-- transaction: the archive's scores stand at scores_next of each partition.

-- name: place
SELECT (SELECT partitions FROM deployment) AS partitions_expected,
       count(*) AS partitions,
       coalesce(bool_or(begin_offset > 0), false) AS is_cut,
       coalesce(sum(scores_next), 0)::bigint AS records,
       coalesce(max(scores_log_ms), 0) AS log_ms
FROM archive_progress

-- name: top
-- By scores_by_place, whose order is the board's. A hidden user has no scores on open boards, only parked ones; looking
-- again costs a key per row, and a hidden user who is shown cannot be unseen.
SELECT s.user_id, s.score, s.scored_at, s.partition, u.name
FROM (
    SELECT user_id, score, scored_at, partition
    FROM scores AS a
    WHERE period = $1
      AND NOT EXISTS (SELECT FROM hidden AS h WHERE h.partition = a.partition AND h.user_id = a.user_id)
    ORDER BY score DESC, scored_at, user_id
    LIMIT $2
) AS s
LEFT JOIN users AS u ON u.user_id = s.user_id
ORDER BY s.score DESC, s.scored_at, s.user_id
