"""The demo's people: uneven, bursty, at the rate that was asked for."""

import random
from collections import Counter

import pytest

from contracts.catalogue import CatalogueEntry
from contracts.demo_users import DEMO_USERS
from shardboard.demo.crowd import Crowd, Planned

CATALOGUE = {"commit": CatalogueEntry("commit", 10), "release": CatalogueEntry("release", 50)}
COUNT = 40_000


def planned(seed: int, *, rate_per_s: float = 4.0, count: int = COUNT) -> list[Planned]:
    crowd = Crowd(DEMO_USERS, CATALOGUE, rate_per_s=rate_per_s, rng=random.Random(seed))
    return [crowd.next() for _ in range(count)]


@pytest.mark.parametrize("rate_per_s", [0.5, 4.0, 50.0])
def test_the_mean_rate_is_the_one_asked_for(rate_per_s: float) -> None:
    actions = planned(1, rate_per_s=rate_per_s)
    assert COUNT / sum(action.wait_s for action in actions) == pytest.approx(rate_per_s, rel=0.25)


def test_activity_comes_in_bursts() -> None:
    """Seconds of a steady stream would have variance = mean (Poisson)."""
    seconds: Counter[int] = Counter()
    now_s = 0.0
    for action in planned(2):
        now_s += action.wait_s
        seconds[int(now_s)] += 1
    counts = [seconds[second] for second in range(int(now_s))]
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / len(counts)
    assert variance > 2 * mean


def test_few_do_most_and_everybody_does_something() -> None:
    acts = Counter(action.user.user_id for action in planned(3))
    assert len(acts) == len(DEMO_USERS)
    assert sum(count for _, count in acts.most_common(6)) > 0.4 * COUNT


def test_what_is_worth_more_happens_less_often() -> None:
    acts = Counter(action.action for action in planned(4))
    assert acts["commit"] / acts["release"] == pytest.approx(5, rel=0.1)


def test_the_leader_changes() -> None:
    """The point of the demo: within half an hour several people have led."""
    scores: Counter[str] = Counter()
    leaders = set()
    for action in planned(5, count=1800 * 4):
        scores[action.user.user_id] += CATALOGUE[action.action].points
        leaders.add(scores.most_common(1)[0][0])
    assert len(leaders) >= 3


def test_one_seed_makes_one_stream() -> None:
    assert planned(6, count=50) == planned(6, count=50) != planned(7, count=50)
