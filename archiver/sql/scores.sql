-- The scores' path: the state of users who need more than sums, and all writes of one flush.

-- name: move_scores
-- One row per partition, or another archiver was here. `last`, points and counted are Redis's fields at the new place.
UPDATE archive_progress AS a
SET scores_next = q.next, scores_log_ms = q.log_ms, last = q.last,
    points = least(a.points + q.points, 9007199254740991), counted = a.counted + q.counted
FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[])
    AS q (partition, expected, next, log_ms, last, points, counted)
WHERE a.partition = q.partition AND a.scores_next = q.expected AND a.raw_next >= q.next
RETURNING a.partition, a.points

-- name: lock_boards
SELECT pg_advisory_xact_lock($1, $2)

-- name: hidden_of
SELECT h.user_id, h.parked
FROM unnest($1::integer[], $2::text[]) AS q (partition, user_id)
JOIN hidden AS h ON h.partition = q.partition AND h.user_id = q.user_id

-- name: scores_of
SELECT s.user_id, s.period, s.score, s.scored_at
FROM unnest($1::integer[], $2::text[]) AS q (partition, user_id)
JOIN scores AS s ON s.partition = q.partition AND s.user_id = q.user_id

-- name: erased_of
SELECT q.n, e.log_offset
FROM unnest($1::integer[], $2::bytea[]) WITH ORDINALITY AS q (partition, user16, n)
JOIN erased AS e ON e.partition = q.partition AND e.user16 = q.user16

-- name: voided_of
SELECT q.n
FROM unnest($1::integer[], $2::bytea[]) WITH ORDINALITY AS q (partition, id16, n)
JOIN voided AS v ON v.partition = q.partition AND v.id16 = q.id16

-- name: add_scores
INSERT INTO scores AS s (partition, user_id, period, score, scored_at)
SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
ON CONFLICT (partition, user_id, period)
DO UPDATE SET score = s.score + excluded.score, scored_at = excluded.scored_at

-- name: drop_scores
DELETE FROM scores AS s USING unnest($1::integer[], $2::text[]) AS q (partition, user_id)
WHERE s.partition = q.partition AND s.user_id = q.user_id

-- name: put_scores
INSERT INTO scores (partition, user_id, period, score, scored_at)
SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])

-- name: drop_hidden
DELETE FROM hidden AS h USING unnest($1::integer[], $2::text[]) AS q (partition, user_id)
WHERE h.partition = q.partition AND h.user_id = q.user_id

-- name: put_hidden
INSERT INTO hidden (partition, user_id, parked) SELECT * FROM unnest($1::integer[], $2::text[], $3::jsonb[])

-- name: put_boards
INSERT INTO boards (period) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING

-- name: put_voided
INSERT INTO voided (partition, id16, void_offset)
SELECT * FROM unnest($1::integer[], $2::bytea[], $3::bigint[]) ON CONFLICT DO NOTHING

-- name: put_kept
INSERT INTO kept (partition, id16, keep_until) SELECT * FROM unnest($1::integer[], $2::bytea[], $3::bigint[])
ON CONFLICT (partition, id16) DO UPDATE SET keep_until = excluded.keep_until

-- name: put_caps
INSERT INTO caps (partition, used_by, day, used, last_received_ms)
SELECT * FROM unnest($1::integer[], $2::bytea[], $3::integer[], $4::integer[], $5::bigint[])
ON CONFLICT (partition, used_by)
DO UPDATE SET day = excluded.day, used = excluded.used, last_received_ms = excluded.last_received_ms

-- name: put_users
INSERT INTO users AS u (partition, user_id, name, metadata)
SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::jsonb[])
ON CONFLICT (user_id) DO UPDATE
SET name = coalesce(excluded.name, u.name), metadata = coalesce(excluded.metadata, u.metadata)
WHERE coalesce(excluded.name, u.name) IS DISTINCT FROM u.name
   OR coalesce(excluded.metadata, u.metadata) IS DISTINCT FROM u.metadata

-- name: put_moderation
INSERT INTO moderation_log
    (partition, log_offset, log_ms, kind, user_id, user16, moderator, reason, points, void_offset)
SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bytea[], $7::text[],
                     $8::text[], $9::bigint[], $10::bigint[])

-- name: put_erased
INSERT INTO erased (partition, user16, log_offset) VALUES ($1, $2, $3)
ON CONFLICT (partition, user16) DO UPDATE SET log_offset = excluded.log_offset

-- name: bury
-- Ids whose repeats a later record can still be.
INSERT INTO tombstones (partition, id16, log_offset, log_ms)
SELECT partition, id16, log_offset, log_ms FROM actions
WHERE user_id = $2 AND partition + 0 = $1 AND log_offset <= $3 AND log_ms >= $4 AND outcome = 'counted'

-- name: erase_actions
DELETE FROM actions WHERE user_id = $2 AND partition + 0 = $1 AND log_offset <= $3

-- name: erase_leaderboards
UPDATE leaderboards SET user_id = 'erased', erased = true WHERE user_id = $1 AND NOT erased

-- name: erase_snapshots
DELETE FROM board_snapshots WHERE user_id = $1

-- name: erase_user
DELETE FROM users WHERE user_id = $1

-- name: erase_moderation
UPDATE moderation_log SET user_id = NULL, reason = CASE WHEN kind = 'erase' THEN reason END
WHERE partition = $1 AND user16 = $2 AND log_offset <= $3
