"""At once when something changed and nothing is in flight, else coalesced; a beat each second."""

from shard_worker.publish_policy import PublishPolicy

POLICY = PublishPolicy(interval_s=0.002, heartbeat_s=1.0)


def test_first_state_is_published_at_once() -> None:
    assert POLICY.due_in_s(0.0) == 0


def test_change_after_the_interval_is_published_at_once() -> None:
    quiet = POLICY.started(10.0).ended(succeeded=True)
    assert quiet.changed().due_in_s(10.5) == 0


def test_burst_waits_for_the_interval() -> None:
    quiet = POLICY.started(10.0).ended(succeeded=True)
    assert abs((quiet.changed().changed().due_in_s(10.0005) or 0) - 0.0015) < 1e-9


def test_nothing_is_due_while_one_is_in_flight_and_changes_meanwhile_are_due_after_it() -> None:
    flying = POLICY.changed().started(10.0)
    assert flying.changed().due_in_s(11.0) is None
    assert flying.changed().ended(succeeded=True).due_in_s(10.1) == 0
    assert flying.ended(succeeded=True).due_in_s(10.25) == 0.75


def test_failed_publication_is_due_again() -> None:
    assert POLICY.changed().started(10.0).ended(succeeded=False).due_in_s(10.1) == 0
