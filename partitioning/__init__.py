"""Which shard owns which partition: planning (pure) and the map."""
