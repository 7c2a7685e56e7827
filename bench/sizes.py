"""How much each form of a benchmark does. Pure."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sizes:
    """One form's amounts."""

    form: str
    rounds: int
    """Measured ones; one more warms up."""
    records: int
    """Actions of a round, where actions are applied or archived."""
    users: int
    load_s: float
    """How long requests are sent in a round."""
    connections: int
    rate_per_s: int
    """Of a constant load."""
    distributions: tuple[str, ...]
    """How often users act, where that matters: names in `bench.actions.ZIPF`."""
    streams: tuple[int, ...]
    """Live streams that are open at once, in one part each."""
    shards: tuple[int, ...]
    """Of the deployments that are compared."""
    memory_mb: int
    """What the form needs while it runs."""
    files: int
    """Open files that it needs."""


EVERY: Final = ("uniform", "zipf 1.0", "zipf 1.2")
EIGHT: Final = (1, 2, 4, 8)
QUICK: Final = Sizes("quick", 1, 1_000, 500, 0.2, 8, 200, ("zipf 1.2",), (50,), (1, 2), 1_000, 256)
"""Shows that everything works; its figures mean nothing."""
MIDDLE: Final = Sizes("middle", 5, 50_000, 200_000, 3.0, 64, 2_000, EVERY, (5_000,), EIGHT, 2_000, 512)
FULL: Final = Sizes("full", 5, 200_000, 1_000_000, 5.0, 256, 5_000, EVERY, (5_000, 10_000), EIGHT, 4_000, 2_048)
"""What the bars are meant for. Needs a machine that does nothing else."""
FORMS: Final = {sizes.form: sizes for sizes in (QUICK, MIDDLE, FULL)}
