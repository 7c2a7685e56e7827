"""Combines the newest top of each shard into the global board in the cache."""
