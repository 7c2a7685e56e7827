"""Revoking tokens: what `shardboard revoke` writes and reads."""
