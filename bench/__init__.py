"""Measures the engine, and the oracle that checks it."""
