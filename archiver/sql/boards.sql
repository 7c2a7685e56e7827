-- Whole boards: closing them, and snapshots of running ones. The order is that of contracts/ranking.py.

-- name: lock_boards
SELECT pg_advisory_xact_lock($1, $2)

-- name: not_closed
SELECT b.period FROM boards AS b WHERE NOT EXISTS (SELECT FROM closed_periods AS c WHERE c.period = b.period)

-- name: scores_next
SELECT partition, scores_next FROM archive_progress

-- name: is_closed
SELECT EXISTS (SELECT FROM closed_periods WHERE period = $1)

-- name: rank
-- Who is hidden now is listed without a rank: with the parked score, or with one of before the board ended.
INSERT INTO leaderboards (period, user_id, score, scored_at, rank, place, hidden)
(SELECT s.period, s.user_id, s.score, s.scored_at, rank() OVER (ORDER BY s.score DESC),
        row_number() OVER (ORDER BY s.score DESC, s.scored_at, s.user_id), false
 FROM scores AS s
 WHERE s.period = $1
   AND NOT EXISTS (SELECT FROM hidden AS h WHERE h.partition = s.partition AND h.user_id = s.user_id))
UNION ALL
(SELECT s.period, s.user_id, s.score, s.scored_at, NULL, NULL, true
 FROM scores AS s JOIN hidden AS h ON h.partition = s.partition AND h.user_id = s.user_id
 WHERE s.period = $1)
UNION ALL
(SELECT $1, h.user_id, (h.parked -> $1 ->> 0)::bigint, (h.parked -> $1 ->> 1)::bigint, NULL, NULL, true
 FROM hidden AS h
 WHERE h.parked ? $1)

-- name: close
INSERT INTO closed_periods (period, closed_at_ms, users, ends)
SELECT $1, $2, (SELECT count(*) FROM leaderboards WHERE period = $1), $3

-- name: closed
SELECT period, ends FROM closed_periods

-- name: deployment
SELECT deployment FROM deployment

-- name: newest_snapshot
SELECT max(taken_ms) FROM board_snapshots WHERE period = $1

-- name: snapshot
INSERT INTO board_snapshots (period, taken_ms, place, rank, user_id, score, scored_at)
SELECT $1, $2, row_number() OVER (ORDER BY t.score DESC, t.scored_at, t.user_id), rank() OVER (ORDER BY t.score DESC),
       t.user_id, t.score, t.scored_at
FROM (SELECT user_id, score, scored_at FROM scores WHERE period = $1
      ORDER BY score DESC, scored_at, user_id LIMIT $3) AS t
