"""What a token says: issuer, audience, scopes. Shared by the gateway that checks and the command that makes them."""

from typing import Final

ISSUER_DEFAULT: Final = "shardboard"
AUDIENCE_DEFAULT: Final = "shardboard"
SCOPE_WRITE_ANY: Final = "actions:write:any"
"""May write actions for any user (game servers)."""
SCOPE_BACKFILL: Final = "actions:backfill"
"""May write actions older than the accepted window."""
SCOPE_MODERATE: Final = "moderate"
SCOPE_OPERATE: Final = "operate"
SCOPES: Final = (SCOPE_WRITE_ANY, SCOPE_BACKFILL, SCOPE_MODERATE, SCOPE_OPERATE)

TOKEN_BYTES_MAX: Final = 8192
"""Larger than any access token in use, small enough to hash per request."""
TOKEN_ID_BYTES_MAX: Final = 256
"""`jti`: by it a token is revoked. Issuers use UUIDs or short random texts."""
ALGORITHMS: Final = ("HS256", "RS256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "Ed25519")
"""What tokens may be signed with; the last two are one, by its old and its new name (RFC 9864). Which of them a key
verifies depends on the key alone, never on the token."""
LEEWAY_DEFAULT_S: Final = 30
"""Machines that keep time differ by less."""
LEEWAY_MAX_S: Final = 120
"""Clocks that are kept differ by ms; more than this hides a broken one."""
SECRET_BYTES_MIN: Final = 32
"""HS256 needs a key of at least its hash's size (RFC 7518 §3.2)."""
DEVELOPMENT_SECRET: Final = "shardboard-development-secret-not-for-production"  # noqa: S105
"""Used only where none is configured; production refuses it."""
REVOKED_CHANNEL: Final = "shardboard_revoked"
"""Postgres NOTIFY channel: a hint that there is a newer revocation."""
REVOKED_TOKEN: Final = "jti"  # noqa: S105
REVOKED_USER: Final = "sub"
"""What a revocation is about: one token, or a user's tokens."""
TTL_MAX_S: Final = 366 * 24 * 3600
"""A year: long-lived enough for a game server's deployment, still an end. A revocation is kept as long."""
