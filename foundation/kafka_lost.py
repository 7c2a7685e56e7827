"""A Kafka connection that its peer has closed is a lost connection on uvloop too, and no defect that ends the process.

aiokafka expects an OSError when it writes to one; uvloop says RuntimeError until the reader has noticed the end. Its
consumers and producers make their connections themselves, so that the class is the only place to tell them.
"""

from functools import wraps
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

from foundation.lost_connection import is_lost

_SENDS: Final = ("send", "_send_sasl_token")


def tell_lost_connections() -> None:
    """Make every aiokafka connection of this process raise KafkaConnectionError; may be called twice."""
    for name in _SENDS:
        send = getattr(AIOKafkaConnection, name)
        if not hasattr(send, "__wrapped__"):
            setattr(AIOKafkaConnection, name, _lost_aware(send))


def _lost_aware(send: Any) -> Any:
    @wraps(send)
    def sending(connection: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return send(connection, *args, **kwargs)
        except RuntimeError as error:
            if not is_lost(error):
                raise
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"connection to {connection.host}:{connection.port}: {error}") from error

    return sending
