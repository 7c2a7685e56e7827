-- The audit, and everything that the archive has of one user.

-- name: audit
-- Newest first. A user who was erased is found by the digest that remains.
SELECT log_ms, kind, user_id, moderator, reason, points, void_offset, partition, log_offset AS "offset"
FROM moderation_log
WHERE ($1::bytea IS NULL OR user16 = $1) AND ($2::text IS NULL OR kind = $2)
ORDER BY log_ms DESC, partition, log_offset DESC
LIMIT $3

-- name: profile
SELECT name, metadata FROM users WHERE user_id = $1

-- name: scores
SELECT period, score, scored_at FROM scores WHERE user_id = $1 ORDER BY period

-- name: parked
SELECT parked FROM hidden WHERE user_id = $1

-- name: closed_boards
SELECT period, score, scored_at, rank FROM leaderboards WHERE user_id = $1 AND NOT erased ORDER BY period

-- name: snapshots
SELECT period, taken_ms, place, rank, score, scored_at FROM board_snapshots WHERE user_id = $1 ORDER BY taken_ms, period

-- name: actions
SELECT partition, log_offset AS "offset", log_ms, outcome, kind, action_id AS id, action, points, at_ms, received_ms, name
FROM actions WHERE user_id = $1 ORDER BY log_offset
