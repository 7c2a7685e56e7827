-- What is too old. Every statement deletes a bounded number of rows, so that no lock is held long and none grows large.

-- name: partitions
SELECT partition FROM archive_progress ORDER BY partition

-- name: actions
-- The oldest rows of a partition, if old by our clock, and by log time out of every window; never beyond scores_next.
DELETE FROM actions AS a
USING (
    SELECT o.log_offset, o.log_ms, o.scores_log_ms
    FROM (
        SELECT r.log_offset, r.log_ms, p.scores_log_ms
        FROM actions AS r JOIN archive_progress AS p ON p.partition = r.partition
        WHERE r.partition = $1 AND r.log_offset < p.scores_next
        ORDER BY r.log_offset LIMIT $4
    ) AS o
) AS old
WHERE a.partition = $1 AND a.log_offset = old.log_offset
  AND old.log_ms < $2 AND old.log_ms < (old.scores_log_ms / $3 - 1) * $3

-- name: tombstones
DELETE FROM tombstones WHERE ctid = ANY (ARRAY (
    SELECT t.ctid FROM tombstones AS t JOIN archive_progress AS p ON p.partition = t.partition
    WHERE t.partition = $1 AND t.log_ms < (p.scores_log_ms / $2 - 1) * $2 LIMIT $3))

-- name: kept
DELETE FROM kept WHERE ctid = ANY (ARRAY (
    SELECT k.ctid FROM kept AS k JOIN archive_progress AS p ON p.partition = k.partition
    WHERE k.partition = $1 AND k.keep_until < p.scores_log_ms LIMIT $2))

-- name: caps
DELETE FROM caps WHERE ctid = ANY (ARRAY (
    SELECT c.ctid FROM caps AS c JOIN archive_progress AS p ON p.partition = c.partition
    WHERE c.partition = $1 AND c.day < p.scores_log_ms / 86400000 - $2 LIMIT $3))

-- name: board_snapshots
DELETE FROM board_snapshots WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM board_snapshots WHERE taken_ms < $1 LIMIT $2))

-- A lifted one (expires_ms 0) stays for a day, so that gateways that were away learn of it.
-- name: revoked
DELETE FROM revoked WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM revoked WHERE expires_ms < $1 AND revoked_ms < $1 - 86400000 LIMIT $2))

-- name: closed_with_scores
SELECT b.period FROM boards AS b JOIN closed_periods AS c ON c.period = b.period WHERE c.closed_at_ms < $1

-- name: scores
DELETE FROM scores WHERE ctid = ANY (ARRAY (SELECT ctid FROM scores WHERE period = $1 LIMIT $2))

-- name: forget_board
DELETE FROM boards WHERE period = $1
