"""A believable stream of actions of made-up people through the real gateway, so that a fresh board moves."""
