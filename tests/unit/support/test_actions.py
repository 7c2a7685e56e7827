"""Sample actions have one shape, wherever they come from."""

import gzip
import json
import re
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.actions import ACTION_COUNTS, sample_actions, seeded_actions


def test_seeded_actions_have_the_shape_of_the_real_ones() -> None:
    for action in seeded_actions(200):
        assert list(action) == ["action_id", "user_id", "action", "timestamp"]
        assert str(uuid.UUID(action["action_id"])) == action["action_id"]
        assert re.fullmatch(r"u_[0-9a-f]{12}", action["user_id"])
        assert action["action"] in ACTION_COUNTS
        assert datetime.fromisoformat(action["timestamp"]).tzinfo == UTC
        assert action["timestamp"].endswith("Z")


def test_seeded_actions_are_the_same_at_every_call_and_no_id_comes_twice() -> None:
    actions = seeded_actions(500)
    assert seeded_actions(100) == actions[:100]
    assert seeded_actions(100, seed=2) != actions[:100]
    assert len({action["action_id"] for action in actions}) == 500


def test_seeded_actions_are_as_uneven_as_the_real_ones() -> None:
    n = 20_000
    actions = seeded_actions(n)
    ((_, top),) = Counter(action["user_id"] for action in actions).most_common(1)
    assert 0.04 < top / n < 0.06
    kinds = Counter(action["action"] for action in actions)
    for kind, count in ACTION_COUNTS.items():
        assert kinds[kind] / n == pytest.approx(count / 200_000, abs=0.01)


def test_the_named_file_is_read_and_a_short_one_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actions = seeded_actions(5)
    file = tmp_path / "actions.ndjson.gz"
    file.write_bytes(gzip.compress(b"".join(json.dumps(action).encode() + b"\n" for action in actions)))
    monkeypatch.setenv("SHARDBOARD_TEST_ACTIONS", str(file))
    assert sample_actions(3) == actions[:3]
    with pytest.raises(ValueError, match="holds 5 actions, 6 were wanted"):
        sample_actions(6)
    monkeypatch.delenv("SHARDBOARD_TEST_ACTIONS")
    assert len(sample_actions(6)) == 6
