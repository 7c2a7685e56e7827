"""Applies the log to the Redis that a shard owns, exactly once, and publishes the shard's local top."""
