"""Exit codes of every `shardboard` command (fixed interface)."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit says to the shell."""

    OK = 0
    DIFFERENT = 1
    """Compared things differ, or items were refused."""
    USAGE = 2
    REFUSED = 3
    STALLED = 4
    """Stalled or timed out."""
    FAILED = 5
    NOTHING_TO_DO = 6
    UNKNOWN = 7
    """Could not tell."""
