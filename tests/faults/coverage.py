"""Counts which fault hit which step, and names the steps that none hit. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from tests.faults.steps import Target, all_steps

Hit = tuple[str, str, str, str]
"""Target, kind of fault, step, edge ("" where the step was seen and not aimed at)."""


class Coverage:
    """Counts of hits; can be stored and continued."""

    def __init__(self, counts: Mapping[Hit, int] | None = None) -> None:
        self.counts: Counter[Hit] = Counter(counts or {})

    def hit(self, target: Target, kind: str, *, step: str, edge: str = "") -> None:
        """A fault was made while the victim was at `step`."""
        self.counts[(target.value, kind, step, edge)] += 1

    def missing(self, targets: Iterable[Target]) -> list[tuple[Target, str]]:
        """Steps that no fault hit."""
        seen = {(target, step) for target, _, step, _ in self.counts}
        return [(target, step) for target, step in all_steps(targets) if (target.value, step) not in seen]

    def table(self) -> list[tuple[str, str, dict[str, int]]]:
        """Per target and step: the number of hits by kind of fault."""
        rows: dict[tuple[str, str], Counter[str]] = {}
        for (target, kind, step, _), count in self.counts.items():
            rows.setdefault((target, step), Counter())[kind] += count
        return [(target, step, dict(sorted(kinds.items()))) for (target, step), kinds in sorted(rows.items())]

    def as_rows(self) -> list[tuple[str, str, str, str, int]]:
        """For storing."""
        return sorted((*hit, count) for hit, count in self.counts.items())

    @staticmethod
    def from_rows(rows: Iterable[tuple[str, str, str, str, int]]) -> "Coverage":
        """What `as_rows` gave."""
        return Coverage({(target, kind, step, edge): count for target, kind, step, edge, count in rows})
