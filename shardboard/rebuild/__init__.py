"""Rebuilds the shard map in Postgres from what the shards' Redis say, after a loss of Postgres."""
