"""The command that users type."""
