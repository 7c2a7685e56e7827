"""Kafka topics: names and the settings that the engine relies on."""

from typing import Final

ACTIONS: Final = "actions"
DEAD: Final = "actions.dead"
MARKS_SUFFIX: Final = ".handled"
PARTITIONS_DEFAULT: Final = 64
"""Fixed for the life of a deployment: a user's partition is murmur2(user_id) mod P."""
PARTITIONS_MAX: Final = 4096
RETENTION_MS_MIN: Final = 7 * 24 * 3600 * 1000
"""Below a week, a shard lost over a long weekend could not be rebuilt from the log."""

ACTIONS_CONFIG: Final = {
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": str(RETENTION_MS_MIN),
    "unclean.leader.election.enable": "false",
    "cleanup.policy": "delete",
    "max.message.bytes": str(1024 * 1024),
}

MARKS_CONFIG: Final = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
"""Compacted, so that the newest mark of a letter outlives the letter, however long letters are kept."""


def marks_topic(dead_topic: str) -> str:
    """Where handled dead letters are noted. Key: the letter's number; value: `shardboard.dead.letters.Mark`."""
    return dead_topic + MARKS_SUFFIX
