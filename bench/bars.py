"""The bars that the engine is measured by (bars.toml), and where a result tells of each."""

import tomllib
from fnmatch import fnmatchcase
from importlib import resources

import msgspec

from bench.results import Part, Report, Verdict


class Bar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of bench/bars.toml."""

    what: str
    bench: str
    case: str
    measure: str
    first: str
    holds_back: str
    """Told when it is missed."""
    second: str = ""

    def verdicts(self, report: Report) -> list[tuple[Part, Verdict]]:
        """What the result says of it, once for each part that does."""
        return [
            (part, verdict)
            for part in report.parts
            if part.bench == self.bench and fnmatchcase(part.case, self.case)
            for verdict in part.verdicts
            if (verdict.measure, verdict.first, verdict.second) == (self.measure, self.first, self.second)
        ]


def all_bars() -> list[Bar]:
    """In the order in which they are told."""
    text = resources.files("bench").joinpath("bars.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["bar"], list[Bar])
