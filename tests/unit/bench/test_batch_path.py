"""A batch is what the gateway takes: a hundred actions, each as POST /actions has it."""

from bench.batch_path import ACTIONS, batches
from bench.gateway_process import USERS
from gateway.action_batch import parse_batch
from gateway.submission import ActionBody, parse_body


def test_each_batch_is_read_as_so_many_actions_of_different_users() -> None:
    users = set[str]()
    for batch in batches():
        bodies = parse_batch(batch)
        assert isinstance(bodies, list)
        assert len(bodies) == ACTIONS
        for body in bodies:
            parsed = parse_body(body)
            assert isinstance(parsed, ActionBody)
            users.add(parsed.user_id)
    assert len(users) == USERS // ACTIONS * ACTIONS
