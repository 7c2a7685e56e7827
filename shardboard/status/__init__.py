"""What `shardboard status` tells: processes, lag, age of the board, top 10."""
