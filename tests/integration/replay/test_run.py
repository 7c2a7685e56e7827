"""`shardboard replay` as a process against a gateway that breaks: nothing lost, no line under two ids."""

import asyncio
import json
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts import problems
from contracts.exit_codes import ExitCode
from shardboard.replay import ranges
from shardboard.replay.journal import read_journal
from tests.support.processes import Ended, command, ended, spawn
from tests.support.scripted_gateway import Accept, Cut, Hold, Problem, Script, ScriptedGateway, Step, accept_all
from tests.support.wait import wait_until

LINES = 400


Serve = Callable[[Script], Awaitable[ScriptedGateway]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    started: list[ScriptedGateway] = []

    async def serving(script: Script) -> ScriptedGateway:
        gateway = ScriptedGateway(script)
        await gateway.start()
        started.append(gateway)
        return gateway

    yield serving
    for gateway in started:
        await gateway.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Actions of which every third has no id of its own."""
    path = tmp_path / "actions.ndjson"
    rng = random.Random(3)
    with path.open("w") as out:
        for number in range(1, LINES + 1):
            action = {"user_id": f"u{number % 7}", "action": "commit", "timestamp": "2023-10-01T15:15:37Z"}
            own_id = {} if number % 3 == 0 else {"action_id": f"{rng.getrandbits(128):032x}"}
            out.write(json.dumps({**own_id, **action}) + "\n")
    return path


async def start(*words: str | Path) -> asyncio.subprocess.Process:
    return await spawn("replay", "--output", "json", *words)


async def replay(*words: str | Path) -> Ended:
    return await command("replay", "--output", "json", *words)


async def test_every_line_is_sent_once_to_a_healthy_gateway(file: Path, serve: Serve) -> None:
    gateway = await serve(accept_all)
    run = await replay(file, "--url", gateway.url)
    assert run.code == ExitCode.OK, run.err
    assert run.json["accepted"] == LINES
    assert run.json["retries"] == 0
    assert len(gateway.acknowledged) == LINES
    assert set(gateway.sent.values()) == {1}
    assert all("timestamp" not in body for body in gateway.bodies.values())


async def test_a_file_sent_twice_carries_the_same_ids(file: Path, serve: Serve) -> None:
    gateway = await serve(accept_all)
    await replay(file, "--url", gateway.url)
    run = await replay(file, "--url", gateway.url, "--timestamps", "now", "--concurrency", "3")
    assert run.code == ExitCode.OK, run.err
    assert len(gateway.sent) == LINES
    assert set(gateway.sent.values()) == {2}


async def test_whatever_breaks_every_line_is_acknowledged_in_the_end(file: Path, serve: Serve) -> None:
    """A third of all tries fails, in each way there is, before or after the action was recorded."""
    rng = random.Random(11)
    failures: Sequence[Step] = (
        Problem(problems.OVERLOADED, retry_after_s=0),
        Problem(problems.LOG_UNAVAILABLE, is_recorded=True),
        Problem(problems.LOG_UNAVAILABLE, is_recorded=False),
        Problem(problems.RATE_LIMITED),
        Cut(is_recorded=True),
        Cut(is_recorded=False),
    )

    def script(action: dict[str, Any], before: int) -> Step:
        return rng.choice(failures) if rng.random() < 0.33 else Accept()

    gateway = await serve(script)
    run = await replay(file, "--url", gateway.url)
    assert run.code == ExitCode.OK, run.err
    assert gateway.acknowledged == gateway.recorded == set(gateway.sent)
    assert len(gateway.acknowledged) == LINES
    assert run.json["accepted"] == LINES
    assert run.json["retries"] == gateway.sent.total() - LINES > 50
    assert run.json["retried"] == sum(1 for times in gateway.sent.values() if times > 1)


async def test_retry_after_is_waited_for(tmp_path: Path, serve: Serve) -> None:
    def script(action: dict[str, Any], before: int) -> Step:
        return Accept() if before else Problem(problems.OVERLOADED, retry_after_s=1)

    path = tmp_path / "one.ndjson"
    path.write_text('{"user_id": "a", "action": "commit"}\n')
    gateway = await serve(script)
    run = await replay(path, "--url", gateway.url)
    assert run.code == ExitCode.OK, run.err
    assert run.json["elapsed_s"] >= 1.0


async def test_refused_and_bad_lines_are_reported_with_their_numbers_and_stop_nothing(
    tmp_path: Path, serve: Serve
) -> None:
    def script(action: dict[str, Any], before: int) -> Step:
        known = action.get("action") == "commit"
        return Accept() if known else Problem(problems.UNKNOWN_ACTION, "no action 'hack'")

    path = tmp_path / "mixed.ndjson"
    path.write_text(
        '{"user_id": "a", "action": "commit"}\nnot json\n\n{"user_id": "a", "action": "hack"}\n[]\n'
        '{"user_id": "b", "action": "commit"}'
    )
    gateway = await serve(script)
    run = await replay(path, "--url", gateway.url)
    assert run.code == ExitCode.DIFFERENT
    assert (run.json["lines"], run.json["accepted"], run.json["blank"]) == (6, 2, 1)
    refusals = {each["reason"]: each for each in run.json["refusals"]}
    assert [example["line"] for example in refusals["bad-line"]["examples"]] == [2, 5]
    assert refusals["unknown-action"]["examples"] == [{"line": 4, "detail": "no action 'hack'"}]


async def test_sigkill_in_the_middle_loses_nothing(file: Path, tmp_path: Path, serve: Serve) -> None:
    """Killed while requests are held: what the journal holds was acknowledged and is not sent again; all else is sent,
    with the id that it had, and at the end every line is acknowledged."""
    held: set[str] = set()

    def script(action: dict[str, Any], before: int) -> Step:
        if len(gateway.acknowledged) >= LINES // 2 and not is_resumed:
            held.add(action["action_id"])
            return Hold()
        return Accept()

    is_resumed = False
    gateway = await serve(script)
    journal = tmp_path / "journal"
    process = await start(file, "--url", gateway.url, "--journal", journal, "--concurrency", "8")
    await wait_until(lambda: len(held) == 8, what="requests without an answer")
    await wait_until(lambda: len(read_journal(journal)[1].accepted) > 0, what="a batch in the journal")
    process.send_signal(signal.SIGKILL)
    assert (await ended(process)).code == -signal.SIGKILL
    is_resumed = True
    _, earlier = read_journal(journal)
    noted = ranges.count(earlier.accepted)
    assert 0 < noted <= len(gateway.acknowledged)
    assert earlier.unknown_since_ms is not None
    before = gateway.sent.copy()

    run = await replay(file, "--url", gateway.url, "--journal", journal)
    assert run.code == ExitCode.OK, run.err
    assert run.json["acknowledged_before"] == noted
    assert run.json["accepted"] == LINES - noted
    assert (gateway.sent - before).total() == LINES - noted
    assert len(gateway.sent) == len(gateway.acknowledged) == LINES
    assert all(gateway.sent[action_id] == 2 for action_id in held)
    assert read_journal(journal)[1].accepted == [(1, LINES)]
    assert read_journal(journal)[1].unknown_since_ms is None


async def test_sigterm_ends_in_order_and_the_same_command_goes_on(file: Path, tmp_path: Path, serve: Serve) -> None:
    gateway = await serve(accept_all)
    journal = tmp_path / "journal"
    process = await start(file, "--url", gateway.url, "--journal", journal, "--rate", "100/s", "--concurrency", "4")
    await wait_until(lambda: len(gateway.acknowledged) >= 20, what="some lines")
    process.send_signal(signal.SIGTERM)
    run = await ended(process)
    assert run.code == ExitCode.STALLED
    assert run.json["stopped"] == "interrupted"
    assert "goes on from here" in run.err
    _, earlier = read_journal(journal)
    assert ranges.count(earlier.accepted) == run.json["accepted"] == len(gateway.acknowledged)
    assert earlier.unknown_since_ms is None
    again = await replay(file, "--url", gateway.url, "--journal", journal)
    assert again.code == ExitCode.OK, again.err
    assert len(gateway.sent) == LINES
    assert set(gateway.sent.values()) == {1}
    finished = await replay(file, "--url", gateway.url, "--journal", journal)
    assert (finished.code, finished.json["accepted"]) == (ExitCode.OK, 0)
    assert gateway.sent.total() == LINES


async def test_it_gives_up_on_a_gateway_that_stays_away_and_can_go_on_later(
    file: Path, tmp_path: Path, serve: Serve
) -> None:
    def script(action: dict[str, Any], before: int) -> Step:
        healthy = is_back or len(gateway.acknowledged) < 100
        return Accept() if healthy else Problem(problems.LOG_UNAVAILABLE, is_recorded=True)

    is_back = False
    gateway = await serve(script)
    journal = tmp_path / "journal"
    common = (file, "--url", gateway.url, "--journal", journal, "--give-up-after", "1")
    run = await replay(*common)
    assert run.code == ExitCode.STALLED
    assert run.json["accepted"] == len(gateway.acknowledged)
    assert "log-unavailable" in run.json["stopped"]
    assert read_journal(journal)[1].unknown_since_ms is not None
    is_back = True
    again = await replay(*common)
    assert again.code == ExitCode.OK, again.err
    assert gateway.acknowledged == gateway.recorded
    assert len(gateway.acknowledged) == LINES


async def test_nobody_at_the_address_is_said_with_the_address(file: Path, serve: Serve) -> None:
    gateway = await serve(accept_all)
    await gateway.close()
    run = await replay(file, "--url", gateway.url, "--give-up-after", "1")
    assert run.code == ExitCode.STALLED
    assert gateway.url.removeprefix("http://") in run.err
    assert run.json["accepted"] == 0


async def test_unknown_lines_of_long_ago_are_not_sent_without_being_told(
    file: Path, tmp_path: Path, serve: Serve
) -> None:
    gateway = await serve(accept_all)
    journal = tmp_path / "journal"
    await replay(file, "--url", gateway.url, "--journal", journal)
    header, *_ = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(header + b'{"kind":"began","at_ms":1000}\n')
    sent_before = gateway.sent.total()
    run = await replay(file, "--url", gateway.url, "--journal", journal)
    assert run.code == ExitCode.REFUSED
    assert "--resend-unknown" in run.err
    assert gateway.sent.total() == sent_before
    run = await replay(file, "--url", gateway.url, "--journal", journal, "--resend-unknown")
    assert run.code == ExitCode.OK, run.err
    assert gateway.sent.total() == sent_before + LINES


async def test_a_journal_of_another_file_is_refused(file: Path, tmp_path: Path, serve: Serve) -> None:
    gateway = await serve(accept_all)
    journal = tmp_path / "journal"
    await replay(file, "--url", gateway.url, "--journal", journal)
    other = tmp_path / "other.ndjson"
    other.write_text('{"user_id": "ada", "action": "commit"}\n')
    run = await replay(other, "--url", gateway.url, "--journal", journal)
    assert run.code == ExitCode.REFUSED
    assert "not to this one" in run.err
    assert gateway.sent.total() == LINES


async def test_an_unaccepted_token_stops_at_once(file: Path, serve: Serve) -> None:
    def script(action: dict[str, Any], before: int) -> Step:
        return Problem(problems.UNAUTHENTICATED, "signature")

    gateway = await serve(script)
    run = await replay(file, "--url", gateway.url, "--token", "foreign", "--concurrency", "4")
    assert run.code == ExitCode.REFUSED
    assert "does not accept the token: signature" in run.err
    assert gateway.sent.total() <= 4
    assert set(gateway.tokens) == {"foreign"}


async def test_the_rate_is_kept(file: Path, serve: Serve) -> None:
    gateway = await serve(accept_all)
    run = await replay(file, "--url", gateway.url, "--rate", "200/s")
    assert run.code == ExitCode.OK, run.err
    assert run.json["elapsed_s"] >= (LINES - 1) / 200
