"""Keeps raw actions, scores and closed boards in Postgres."""
