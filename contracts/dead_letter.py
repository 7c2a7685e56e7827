"""A dead letter in the topic `actions.dead`: key and value are the record's own bytes, the rest stands in headers."""

from typing import Final

REASON: Final = "reason"
TOPIC: Final = "topic"
PARTITION: Final = "partition"
OFFSET: Final = "offset"

REASON_BYTES_MAX: Final = 500
"""A decoder's message can quote the record; the record itself is in the value."""
