"""What `shardboard up` runs: checks, servers, services, and the watch over them until the end."""
