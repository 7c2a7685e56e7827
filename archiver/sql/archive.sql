-- The raw path: positions, what must be known to judge a batch, and what a restart reads again.

-- name: begin
INSERT INTO archive_progress
    (partition, begin_offset, raw_next, log_ms, raw_last, scores_next, scores_log_ms, last, points, counted)
SELECT partition, begin, begin, 0, '', begin, 0, '', 0, 0 FROM unnest($1::integer[], $2::bigint[]) AS q (partition, begin)
ON CONFLICT DO NOTHING

-- name: places
SELECT partition, raw_next, log_ms, raw_last, scores_next, points FROM archive_progress WHERE partition = ANY ($1)

-- name: pending
SELECT log_offset, log_ms, id16, user_id, action_id, action, points, at_ms, received_ms, name, cap_per_day,
       cooldown_ms, keep_until, record
FROM actions
WHERE partition = $1 AND log_offset >= $2 AND log_offset < $3 AND outcome = 'counted'
ORDER BY log_offset
LIMIT $4

-- name: move_raw
-- One row per partition, or another archiver was here.
UPDATE archive_progress AS a SET raw_next = q.next, log_ms = q.log_ms, raw_last = q.last
FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[])
    AS q (partition, expected, next, log_ms, last)
WHERE a.partition = q.partition AND a.raw_next = q.expected

-- name: seen
-- The partition is compared as an expression: the primary key, which begins with it, must not look good.
SELECT q.partition, q.id16, a.log_ms
FROM unnest($1::integer[], $2::bytea[]) AS q (partition, id16)
JOIN actions AS a ON a.id16 = q.id16 AND a.partition + 0 = q.partition
WHERE a.log_ms >= $3 AND a.outcome = 'counted'
UNION ALL
SELECT q.partition, q.id16, t.log_ms
FROM unnest($1::integer[], $2::bytea[]) AS q (partition, id16)
JOIN tombstones AS t ON t.partition = q.partition AND t.id16 = q.id16
WHERE t.log_ms >= $3

-- name: has_kept
SELECT EXISTS (SELECT FROM kept WHERE partition = ANY ($1))

-- name: kept
SELECT k.partition, k.id16, k.keep_until
FROM unnest($1::integer[], $2::bytea[]) AS q (partition, id16)
JOIN kept AS k ON k.partition = q.partition AND k.id16 = q.id16

-- name: caps
SELECT q.n, c.day, c.used, c.last_received_ms
FROM unnest($1::integer[], $2::bytea[]) WITH ORDINALITY AS q (partition, used_by, n)
JOIN caps AS c ON c.partition = q.partition AND c.used_by = q.used_by
