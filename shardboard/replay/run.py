"""Runs one replay: N connections take the file's next lines; the journal and the display follow. Acts on `plan`."""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.clock import monotonic_s, now_ms
from foundation.service import StopSignal
from shardboard.replay import plan, ranges
from shardboard.replay.bearer import Bearer
from shardboard.replay.http_gateway import Endpoint, GatewayConnection, request_head
from shardboard.replay.journal import Journal
from shardboard.replay.lines import FileSurvey, read_lines
from shardboard.replay.tally import Tally

JOURNAL_EVERY_S: Final = 0.25
"""Acceptances between two fsyncs are what a crash sends again (harmless: same ids); 4 fsyncs a second cost nothing."""
SHOW_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """What to send, where, and how fast."""

    path: Path
    source: FileSurvey
    endpoint: Endpoint
    concurrency: int
    rate_per_s: float | None
    """None: as fast as the gateway answers."""
    timestamps: plan.Timestamps
    rules: plan.RetryRules = field(default_factory=plan.RetryRules)


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended. At the file's end both are None."""

    stalled: str | None = None
    """No definite answer for too long, or interrupted."""
    token_refused: str | None = None


Show = Callable[[Tally, str | None], None]
"""Called some times a second with the counts and, while nothing is accepted, the reason."""


class Replay:
    """One replay of one file. `run` once; `stop` may be set from outside at any time and lets it end in order."""

    def __init__(self, job: Job, bearer: Bearer, *, journal: Journal | None, stop: StopSignal, show: Show) -> None:
        self._job = job
        self._bearer = bearer
        self._journal = journal
        self._stop = stop
        self._show = show
        self._done = journal.earlier.accepted if journal else []
        self.tally = Tally(job.source.lines, acknowledged_before=ranges.count(self._done))
        self._lines = self._remaining()
        self._unwritten: list[int] = []
        self._unknown: set[int] = set()
        self._has_contact = False
        self._next_slot_s = 0.0
        self._trouble: str | None = None
        self._ended = Ended()

    async def run(self) -> Ended:
        """Send every line that is not acknowledged yet; returns when all are settled or it had to stop."""
        finished = asyncio.Event()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.begin, at_ms=now_ms())
        self._next_slot_s = monotonic_s()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._show_regularly(finished), name="display")
            if self._journal is not None:
                tasks.create_task(self._write_journal(self._journal, finished), name="journal")
            async with asyncio.TaskGroup() as senders:
                for number in range(self._job.concurrency):
                    senders.create_task(self._send_lines(), name=f"sender {number}")
            finished.set()
        if self._ended == Ended() and self.tally.settled < self.tally.lines:
            return Ended(stalled="interrupted")
        return self._ended

    def _remaining(self) -> Iterator[plan.Sendable]:
        """The lines still to be sent; those that cannot be sent are counted on the way."""
        digest, timestamps = self._job.source.sha256, self._job.timestamps
        for number, raw in read_lines(self._job.path):
            if self._done and ranges.contains(self._done, number):
                continue
            prepared = plan.prepare(number, raw, file_digest=digest, timestamps=timestamps)
            if isinstance(prepared, plan.Sendable):
                yield prepared
            elif prepared is None:
                self.tally.blank += 1
            else:
                self.tally.refuse(number, prepared.reason, detail=prepared.detail)

    async def _send_lines(self) -> None:
        connection = GatewayConnection(self._job.endpoint)
        try:
            while not self._stop.is_set and await self._wait_for_slot():
                line = next(self._lines, None)
                if line is None:
                    return
                await self._settle(connection, line)
        finally:
            connection.close()

    async def _settle(self, connection: GatewayConnection, line: plan.Sendable) -> None:
        """Send one line until its outcome is known, or the replay stops."""
        first_s = monotonic_s()
        count = 0
        is_settled = False
        self._unknown.add(line.number)
        while not is_settled:
            count += 1
            self.tally.retries += count > 1
            token = self._bearer.token()
            answer = await connection.post(request_head(self._job.endpoint, token), line.body)
            self._has_contact = self._has_contact or isinstance(answer, plan.Answer)
            attempt = plan.Attempt(count, monotonic_s() - first_s, self._has_contact)
            outcome = plan.on_answer(attempt, answer, rules=self._job.rules, jitter=random.random())
            is_settled = await self._follow(outcome, line.number, is_first=count == 1, token=token)

    async def _follow(self, outcome: plan.Outcome, number: int, *, is_first: bool, token: str) -> bool:
        """Do what the outcome asks for; True when the line's sender is through with it."""
        if is_first and isinstance(outcome, plan.Refused | plan.TokenRefused):
            self._unknown.discard(number)  # later, an earlier try without an answer may have reached the log
        match outcome:
            case plan.Accepted():
                self._accept(number, is_retried=not is_first)
            case plan.Refused(reason, detail):
                self.tally.refuse(number, reason, detail=detail)
            case plan.TokenRefused(detail):
                if self._bearer.renew(token):
                    return False
                self._end(Ended(token_refused=detail))
            case plan.GiveUp(reason):
                self._end(Ended(stalled=reason))
            case plan.Retry(after_s, reason):
                self._trouble = reason
                return await self._stop.sleep(after_s)
        return True

    def _accept(self, number: int, *, is_retried: bool) -> None:
        self._unknown.discard(number)
        self._trouble = None
        self.tally.accepted += 1
        self.tally.retried += is_retried
        if self._journal is not None:
            self._unwritten.append(number)

    def _end(self, ended: Ended) -> None:
        """The first reason to stop counts; the other connections finish the request that they have under way."""
        if self._ended == Ended():
            self._ended = ended
        self._stop.set()

    async def _wait_for_slot(self) -> bool:
        """Keep to the rate; False if the replay stops meanwhile. After a stall the rate is kept, not caught up."""
        if self._job.rate_per_s is None:
            return True
        slot_s = max(self._next_slot_s, monotonic_s() - 1.0)
        self._next_slot_s = slot_s + 1.0 / self._job.rate_per_s
        wait_s = slot_s - monotonic_s()
        return wait_s <= 0 or not await self._stop.sleep(wait_s)

    async def _write_journal(self, journal: Journal, finished: asyncio.Event) -> None:
        """Owns the journal's file: a batch regularly, the last one after all senders have ended."""
        while not await _is_set_within(finished, JOURNAL_EVERY_S):
            await self._write_batch(journal)
        await self._write_batch(journal)
        is_complete = self.tally.settled == self.tally.lines and not self._unknown
        unknown = ranges.to_ranges(self._unknown)
        await asyncio.to_thread(journal.end, at_ms=now_ms(), unknown=unknown, is_complete=is_complete)

    async def _write_batch(self, journal: Journal) -> None:
        numbers, self._unwritten = self._unwritten, []
        if numbers:
            await asyncio.to_thread(journal.append, at_ms=now_ms(), accepted=ranges.to_ranges(numbers))

    async def _show_regularly(self, finished: asyncio.Event) -> None:
        while not await _is_set_within(finished, SHOW_EVERY_S):
            self._show(self.tally, self._trouble)
        self._show(self.tally, None)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
