-- name: raise_version
UPDATE revoked_version SET version = version + 1 RETURNING version

-- A user's tokens stay revoked as far and as long as any of the calls said; a later call never weakens an earlier one.
-- name: revoke
INSERT INTO revoked AS known (kind, value, issued_until_s, expires_ms, revoked_ms, revoked_by, version)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (kind, value) DO UPDATE SET
    issued_until_s = greatest(known.issued_until_s, excluded.issued_until_s),
    expires_ms = greatest(known.expires_ms, excluded.expires_ms),
    revoked_ms = excluded.revoked_ms,
    revoked_by = excluded.revoked_by,
    version = excluded.version
RETURNING kind, value, issued_until_s, expires_ms, revoked_ms, revoked_by

-- name: lift
UPDATE revoked SET expires_ms = 0, issued_until_s = CASE kind WHEN 'sub' THEN 0 END, revoked_ms = $3, revoked_by = $4,
    version = $5
WHERE kind = $1 AND value = $2 AND expires_ms > $3
RETURNING kind, value, issued_until_s, expires_ms, revoked_ms, revoked_by

-- name: list
SELECT kind, value, issued_until_s, expires_ms, revoked_ms, revoked_by FROM revoked WHERE expires_ms > $1
ORDER BY revoked_ms DESC, kind, value LIMIT $2

-- name: notify
SELECT pg_notify($1, $2)
