"""The machine of one supervised process."""

import random

import pytest

from contracts.exit_codes import ExitCode
from shardboard.supervisor.life import DELAYS_S, HEALTHY_S, MOVES, Life, State, start_verdict


def crash(life: Life, *, up_s: float = 0.0) -> Life:
    return life.ended(exit_code=1, up_s=up_s, reason="crashed")


def test_delays_double_up_to_half_a_minute() -> None:
    life, delays = Life(), []
    for _ in range(8):
        life = crash(life)
        delays.append(life.delay_s)
        life = life.started_again()
    assert delays == [1, 2, 4, 8, 16, 30, 30, 30]
    assert life.restarts == 8


def test_serving_shortly_between_two_ends_does_not_reset_the_delay() -> None:
    life = crash(crash(Life()).started_again().ready(), up_s=HEALTHY_S - 0.1)
    assert life.delay_s == DELAYS_S[1]


def test_a_healthy_minute_resets_the_delay_but_not_the_count() -> None:
    life = Life()
    for _ in range(4):
        life = crash(life).started_again()
    life = crash(life.ready(), up_s=HEALTHY_S)
    assert (life.delay_s, life.restarts) == (DELAYS_S[0], 4)


@pytest.mark.parametrize("exit_code", [ExitCode.REFUSED, ExitCode.USAGE])
@pytest.mark.parametrize("life", [Life(), Life().ready()])
def test_a_refusal_is_not_started_again(life: Life, exit_code: ExitCode) -> None:
    refused = life.ended(exit_code=exit_code, up_s=0, reason="bad secret")
    assert (refused.state, refused.reason) == (State.REFUSED, "bad secret")
    with pytest.raises(AssertionError):
        refused.started_again()


@pytest.mark.parametrize("exit_code", [None, 0, 1, 5, -9])
def test_every_other_end_is_started_again(exit_code: int | None) -> None:
    assert Life().ready().ended(exit_code=exit_code, up_s=1, reason="").state is State.WAITING


def test_stopping_twice_is_stopping_once() -> None:
    assert Life().ready().stopped().stopped().state is State.STOPPED


def test_random_lives_keep_to_the_table() -> None:
    """Whatever a process does, its state moves along MOVES, and its restarts are its starts after the first."""
    for seed in range(200):
        chance, life, starts = random.Random(seed), Life(), 1
        for _ in range(50):
            before = life.state
            if before is State.WAITING:
                life, starts = life.started_again(), starts + 1
            elif before is State.STARTING and chance.random() < 0.5:
                life = life.ready()
            elif before in (State.STARTING, State.UP):
                code = chance.choice([0, 1, 3, None])
                life = life.ended(exit_code=code, up_s=chance.uniform(0, 100), reason="")
            else:
                life = life.stopped()
            assert life.state is before or life.state in MOVES[before], f"seed {seed}"
            assert life.restarts == starts - 1, f"seed {seed}"
            assert life.delay_s in DELAYS_S


def test_start_waits_until_all_serve() -> None:
    assert start_verdict({"a": Life().ready(), "b": Life()}, tries=1) is None
    assert start_verdict({"a": Life().ready(), "b": Life().ready()}, tries=1) == ()


def test_start_gives_up_on_a_refusal_and_after_its_tries() -> None:
    refused = Life().ended(exit_code=ExitCode.REFUSED, up_s=0, reason="")
    once, twice = crash(Life()), crash(crash(Life()).started_again())
    assert start_verdict({"a": Life(), "b": refused}, tries=4) == ("b",)
    assert start_verdict({"a": once, "b": Life()}, tries=2) is None
    assert start_verdict({"a": twice, "b": once}, tries=2) == ("a",)
