"""Reads from the end of a service's log why it ended: our structured line of the refusal or failure. Pure."""

import json
import re
from typing import Final

REASON_CHARS_MAX: Final = 400
_REFUSED: Final = re.compile(r"\[error\s*\]\s+refused\s.*?\breason=(?P<reason>.*?)(?:\s+service=\S+)?\s*$")
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")


def reason_in(tail: str) -> str:
    """The refusal's reason, else the last line, shortened; empty for an empty log."""
    lines = [line for line in (_ANSI.sub("", line).strip() for line in tail.splitlines()) if line]
    for line in reversed(lines):
        reason = _refusal(line)
        if reason:
            return reason[:REASON_CHARS_MAX]
    return lines[-1][:REASON_CHARS_MAX] if lines else ""


def _refusal(line: str) -> str:
    if line.startswith("{"):
        try:
            event = json.loads(line)
        except ValueError:
            return ""
        return str(event.get("reason", "")) if event.get("event") == "refused" else ""
    found = _REFUSED.search(line)
    return found["reason"].strip("'\"") if found else ""
