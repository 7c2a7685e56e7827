-- Closed boards as the archive keeps them, and the names of users. `place` is the board's total order. Users who were
-- erased since are left out; their places stay theirs, and count for all others.

-- name: closed
SELECT closed_at_ms FROM closed_periods WHERE period = $1

-- name: closed_of_kind
-- The newest before $2 of those whose ids begin with $1.
SELECT period, closed_at_ms, users FROM closed_periods
WHERE period >= $1 AND period < $2 ORDER BY period DESC LIMIT $3

-- name: total
SELECT coalesce(max(place), 0) FROM leaderboards WHERE period = $1

-- name: users
-- A user who is hidden now is told apart, also when that was after the end.
SELECT l.user_id, l.score, l.scored_at, l.rank,
       l.hidden OR h.user_id IS NOT NULL AS is_hidden,
       (SELECT a.score FROM leaderboards AS a
        WHERE a.period = $1 AND a.place < l.rank ORDER BY a.place DESC LIMIT 1) AS above
FROM unnest($2::integer[], $3::text[]) AS q (partition, user_id)
JOIN leaderboards AS l ON l.period = $1 AND l.user_id = q.user_id AND NOT l.erased
LEFT JOIN hidden AS h ON h.partition = q.partition AND h.user_id = q.user_id

-- name: place_of_mark
-- The first place beyond (score, scored_at, user), or at it if $5. A search by halves: places follow the order.
WITH RECURSIVE search (low, high) AS (
    SELECT 1::bigint, (SELECT coalesce(max(place), 0) + 1 FROM leaderboards WHERE period = $1)
    UNION ALL
    SELECT CASE WHEN s.is_beyond THEN s.low ELSE s.middle + 1 END,
           CASE WHEN s.is_beyond THEN s.middle ELSE s.high END
    FROM (
        SELECT low, high, (low + high) / 2 AS middle,
               coalesce((SELECT l.score < $2
                                OR l.score = $2 AND (l.scored_at > $3 OR l.scored_at = $3 AND (
                                    l.user_id > $4 OR $5 AND l.user_id = $4))
                         FROM leaderboards AS l
                         WHERE l.period = $1 AND l.place >= (low + high) / 2 AND NOT l.erased
                         ORDER BY l.place LIMIT 1), true) AS is_beyond
        FROM search WHERE low < high
    ) AS s
)
SELECT min(low) FROM search WHERE low = high

-- name: page
SELECT rank, user_id, score, scored_at FROM leaderboards
WHERE period = $1 AND place >= $2 AND NOT erased ORDER BY place LIMIT $3

-- name: page_back
SELECT rank, user_id, score, scored_at FROM leaderboards
WHERE period = $1 AND place < $2 AND NOT erased ORDER BY place DESC LIMIT $3

-- name: score_at
SELECT score FROM leaderboards WHERE period = $1 AND place >= $2 ORDER BY place LIMIT 1

-- name: hidden
SELECT h.user_id
FROM unnest($1::integer[], $2::text[]) AS q (partition, user_id)
JOIN hidden AS h ON h.partition = q.partition AND h.user_id = q.user_id

-- name: names
SELECT user_id, name FROM users WHERE user_id = ANY ($1) AND name IS NOT NULL

-- name: partitions
SELECT partitions FROM deployment

-- name: outcome
-- What came of an id, of one record if $3 says which; else of the one that counted, or of the newest.
SELECT outcome, log_offset FROM actions
WHERE id16 = $1 AND user_id = $2 AND kind = 'action' AND log_offset = coalesce($3, log_offset)
ORDER BY outcome = 'counted' DESC, log_offset DESC LIMIT 1

-- name: ranks_of
SELECT user_id, rank FROM leaderboards WHERE period = $1 AND user_id = ANY ($2) AND rank IS NOT NULL AND NOT erased

-- name: snapshot
-- The first hundred of a running board as they stood at $2.
SELECT user_id, rank FROM board_snapshots
WHERE period = $1 AND taken_ms = (SELECT max(taken_ms) FROM board_snapshots WHERE period = $1 AND taken_ms <= $2)
