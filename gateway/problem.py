"""A refusal as a value: what judging code returns instead of an answer. http_answers.py turns it into bytes."""

from dataclasses import dataclass, field
from typing import Any

from contracts.problems import FieldError, ProblemKind, problem_body


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal of one request."""

    kind: ProblemKind
    detail: str
    errors: tuple[FieldError, ...] = ()
    members: dict[str, Any] = field(default_factory=dict)
    """Extension members of the problem document, such as action_id."""
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def body(self) -> bytes:
        """The problem document."""
        return problem_body(self.kind, self.detail, errors=self.errors, **self.members)
