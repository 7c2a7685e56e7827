"""Sends a file of actions through the gateway, each line exactly once as far as the board can tell, resumable."""
