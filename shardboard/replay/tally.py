"""Counts the outcomes of a replay, and keeps the first examples of each refusal. Pure."""

from dataclasses import dataclass, field
from typing import Any, Final

EXAMPLES_MAX: Final = 3
"""Per reason: enough to see the pattern, short enough to read."""
REASONS_MAX: Final = 50
"""Distinct reasons kept; the gateway has some twenty. Further ones are counted together."""
OTHER_REASONS: Final = "other"


@dataclass(frozen=True, slots=True)
class Example:
    """One refused line."""

    line: int
    detail: str


@dataclass(slots=True)
class Refusals:
    """Lines refused for one reason."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What became of the lines so far. One owner."""

    lines: int
    acknowledged_before: int = 0
    accepted: int = 0
    blank: int = 0
    retries: int = 0
    """Requests sent again; a line may need several."""
    retried: int = 0
    """Lines that needed more than one request and were accepted."""
    refused: dict[str, Refusals] = field(default_factory=dict)

    @property
    def refused_count(self) -> int:
        """Lines refused, for all reasons."""
        return sum(each.count for each in self.refused.values())

    @property
    def settled(self) -> int:
        """Lines with a known outcome, earlier runs' included."""
        return self.acknowledged_before + self.accepted + self.blank + self.refused_count

    def refuse(self, line: int, reason: str, *, detail: str) -> None:
        """Count a refused line."""
        if reason not in self.refused and len(self.refused) >= REASONS_MAX:
            reason = OTHER_REASONS
        refusals = self.refused.setdefault(reason, Refusals())
        refusals.count += 1
        if len(refusals.examples) < EXAMPLES_MAX:
            refusals.examples.append(Example(line, detail))


@dataclass(frozen=True, slots=True)
class Summary:
    """How a replay ended."""

    tally: Tally
    elapsed_s: float
    stopped: str | None = None
    """Why it stopped before the end, or None."""
    journal: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The document of `--output json` (docs/schemas/replay.json)."""
        tally = self.tally
        return {
            "lines": tally.lines,
            "acknowledged_before": tally.acknowledged_before,
            "accepted": tally.accepted,
            "retried": tally.retried,
            "retries": tally.retries,
            "refused": tally.refused_count,
            "blank": tally.blank,
            "remaining": tally.lines - tally.settled,
            "elapsed_s": round(self.elapsed_s, 3),
            "rate_per_s": round(tally.accepted / self.elapsed_s, 1) if self.elapsed_s > 0 else 0.0,
            "refusals": [
                {
                    "reason": reason,
                    "count": refusals.count,
                    "examples": [{"line": each.line, "detail": each.detail} for each in refusals.examples],
                }
                for reason, refusals in sorted(tally.refused.items(), key=lambda item: (-item[1].count, item[0]))
            ],
            "stopped": self.stopped,
            "journal": self.journal,
        }
