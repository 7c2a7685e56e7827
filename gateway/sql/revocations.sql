-- name: newer
SELECT kind, value, issued_until_s, expires_ms, version FROM revoked WHERE version > $1 ORDER BY version LIMIT $2
