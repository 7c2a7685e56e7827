"""POST /actions/batch: many actions in one request, each judged and answered for itself. Pure.

All or none is not promised: some may be recorded and others not, and each result says which. Actions that get no id of
their own cannot be told from new ones when the request is sent again."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.problem import Problem
from gateway.strict_body import body_fault
from gateway.submission import ActionReceipt

ACTIONS_MAX: Final = 1_000
BATCH_BYTES_MAX: Final = 512 * 1024
"""A thousand actions of 200 bytes, with room for long ids and tickets."""


class BatchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Actions as POST /actions takes them."""

    actions: Annotated[
        tuple[msgspec.Raw, ...],
        Meta(min_length=1, max_length=ACTIONS_MAX, description="each as the body of POST /actions"),
    ]


class BatchResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of one action, as POST /actions would have answered."""

    status: int
    receipt: ActionReceipt | UnsetType = UNSET
    """With 201."""
    problem: msgspec.Raw | UnsetType = UNSET
    """With any other: a problem document."""


class BatchAnswer(msgspec.Struct, frozen=True):
    """What came of each action, in the order of the request."""

    recorded: int
    """How many are durable in the log."""
    results: tuple[BatchResult, ...]


_decoder = msgspec.json.Decoder(BatchBody)


def parse_batch(data: bytes) -> list[bytes] | Problem:
    """The bodies in a batch; they are judged one by one."""
    try:
        body = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return body_fault(error)
    return [bytes(action) for action in body.actions]


def recorded(receipt: bytes) -> bytes:
    """A BatchResult of an action that is in the log."""
    return b'{"status":201,"receipt":%b}' % receipt


def refused(problem: Problem) -> bytes:
    """A BatchResult of an action that was not recorded, or of which that is not known."""
    return b'{"status":%d,"problem":%b}' % (problem.kind.status, problem.body())


def batch_answer(results: Sequence[bytes], *, good: int) -> bytes:
    """A BatchAnswer with these results, `good` of them recorded: written as each is found, without objects between."""
    return b'{"recorded":%d,"results":[%b]}' % (good, b",".join(results))
