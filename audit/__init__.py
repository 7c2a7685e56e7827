"""Counts the log independently of the workers and compares: `shardboard verify` once, the auditor all the time."""
