-- What the archive has of one action of a user. An id that was used again after its window has several rows: those that
-- counted come first, of them the newest.

-- name: action
SELECT a.log_offset AS "offset", a.log_ms, a.at_ms, a.points, a.outcome,
       EXISTS (SELECT FROM voided AS v WHERE v.partition = a.partition AND v.id16 = a.id16) AS is_voided
FROM actions AS a
WHERE a.id16 = $1 AND a.user_id = $2 AND a.kind = 'action'
ORDER BY a.outcome = 'counted' DESC, a.log_offset DESC
LIMIT 1
