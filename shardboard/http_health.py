"""Asks a service's internal port how it is: for `up`, which waits for it, and for `status`."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any, Final

TIMEOUT_S: Final = 2.0
ANSWER_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Health:
    """What /health/ready said."""

    is_ready: bool
    detail: dict[str, Any] = field(default_factory=dict)


def read_health(host: str, port: int, *, timeout_s: float = TIMEOUT_S) -> Health | None:
    """Blocks for at most `timeout_s` per step; None when nobody answers in an understandable way."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        detail = json.loads(answer.read(ANSWER_BYTES_MAX))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return Health(answer.status == http.client.OK, detail) if isinstance(detail, dict) else None
