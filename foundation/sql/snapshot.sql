-- What a restore of one partition reads, all of it in one REPEATABLE READ transaction: the archive at scores_next.

-- name: progress
SELECT begin_offset, scores_next, scores_log_ms, last, points, counted FROM archive_progress WHERE partition = $1

-- name: scores
SELECT period, user_id, score, scored_at FROM scores WHERE partition = $1 ORDER BY user_id, period

-- name: count_scores
SELECT count(*) FROM scores WHERE partition = $1

-- name: hidden
SELECT user_id, parked FROM hidden WHERE partition = $1

-- name: erased
SELECT user16, log_offset FROM erased WHERE partition = $1

-- name: voided
SELECT id16, void_offset FROM voided WHERE partition = $1

-- name: kept
SELECT id16, keep_until FROM kept WHERE partition = $1 AND keep_until >= $2

-- name: caps
SELECT used_by, day, used, last_received_ms FROM caps WHERE partition = $1 AND day >= $2

-- name: names
SELECT user_id, name FROM users WHERE partition = $1 AND name IS NOT NULL

-- name: recent_actions
-- Newest first: the reader stops at the first row that is too old, so that no index on log_ms is needed.
SELECT id16, log_ms, outcome FROM actions WHERE partition = $1 AND log_offset < $2 ORDER BY log_offset DESC

-- name: tombstones
SELECT id16, log_ms FROM tombstones WHERE partition = $1 AND log_offset < $2 AND log_ms >= $3
