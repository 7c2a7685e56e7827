"""The fault harness: a whole deployment under load, broken on purpose at every step of its protocol, then audited."""
