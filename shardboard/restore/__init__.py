"""Restores that an operator asks for, for `shardboard restore`: asking the shard's worker, watching it, telling."""
