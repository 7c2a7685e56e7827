"""What was asked for beside a benchmark's name and size. Pure."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Asked:
    """Of one run."""

    sample: Path | None = None
    """A file of actions: users also act as often as in it."""
    only: str = ""
    """Words of the parts that are wanted; nothing: all."""
    podium: str = ""
    nakama: str = ""
    """Addresses of leaderboards by others, to be driven too."""

    def wants(self, case: str) -> bool:
        """Whether a part of this name is to be measured."""
        return self.only.lower() in case.lower()


ALL_OF_IT = Asked()
