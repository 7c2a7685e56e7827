"""Dead letters, for `shardboard dead`: reading them, sending them again, marking them as handled."""
