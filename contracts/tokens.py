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
SECRET_BYTES_MIN: Final = 32
"""HS256 needs a key of at least its hash's size (RFC 7518 §3.2)."""
DEVELOPMENT_SECRET: Final = "shardboard-development-secret-not-for-production"  # noqa: S105
"""Used only where none is configured; production refuses it."""
