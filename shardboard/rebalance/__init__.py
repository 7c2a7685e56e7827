"""Rebalancing for operators: plans of moves, what they cost, how far they are, and why one does not go on."""
