"""Marks dead letters as dropped, or deletes the oldest ones from Kafka."""

from collections.abc import Sequence

import msgspec

from contracts.clock import now_ms
from contracts.exit_codes import ExitCode
from shardboard.command_error import CommandError
from shardboard.dead.box import DeadBox
from shardboard.dead.letters import Letter, Mark


class DropReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the letters that were meant."""

    dropped: tuple[int, ...] = ()
    handled_before: tuple[int, ...] = ()
    """Replayed or dropped already: left as they are."""
    deleted: int = 0
    """Letters that are gone from Kafka."""

    @property
    def exit_code(self) -> ExitCode:
        """As everywhere."""
        if self.handled_before:
            return ExitCode.DIFFERENT
        return ExitCode.OK if self.dropped or self.deleted else ExitCode.NOTHING_TO_DO

    @property
    def text(self) -> str:
        """For people."""
        lines = [f"letter {number} dropped" for number in self.dropped]
        lines += [f"letter {number} was handled before" for number in self.handled_before]
        if self.deleted:
            lines.append(f"{self.deleted} letters deleted")
        return "\n".join(lines) or "nothing to do: no such letter is open"


async def mark_dropped(box: DeadBox, letters: Sequence[Letter]) -> DropReport:
    """Mark each letter that is not handled yet. Raises KafkaError."""
    dropped = [letter for letter in letters if letter.state in ("open", "sending")]
    for letter in dropped:
        await box.mark(letter, Mark(state="dropped", at_ms=now_ms()))
    handled = tuple(letter.number for letter in letters if letter not in dropped)
    return DropReport(dropped=tuple(letter.number for letter in dropped), handled_before=handled)


async def delete_before(box: DeadBox, number: int, *, even_open: bool) -> DropReport:
    """Delete all letters below `number`. Raises KafkaError, CommandError (refused) when some of them are open."""
    below = [letter async for letter in box.letters() if letter.number < number]
    still_open = [str(letter.number) for letter in below if letter.state in ("open", "sending")]
    if still_open and not even_open:
        raise CommandError(
            ExitCode.REFUSED,
            f"{len(still_open)} letters below {number} are open, the first is {still_open[0]}; --yes deletes them too",
        )
    if below:
        await box.delete_before(below[-1].number + 1)
    return DropReport(deleted=len(below))
