"""`shardboard verify`: the log's count against every store, while everything runs."""
