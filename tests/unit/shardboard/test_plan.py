"""What runs, on which ports, with which environment."""

from dataclasses import replace
from pathlib import Path

import pytest

from foundation.settings import load_common
from gateway.settings import read_settings
from shardboard.supervisor.plan import (
    Wanted,
    common_environment,
    grown,
    internal_port_names,
    server_names,
    service_plans,
)

WANTED = Wanted(
    shards=2,
    partitions=8,
    periods="all_time,daily",
    host="127.0.0.1",
    port=8080,
    actions_file=Path("/etc/actions.toml"),
    demo=False,
)
NAMES = (*server_names(WANTED.shard_ids), *internal_port_names(WANTED.shard_ids))
PORTS = {name: 20_000 + number for number, name in enumerate(NAMES)}
SECRET_FILE = Path(__file__)
POSTGRES_URL = "postgresql://shardboard@127.0.0.1:1/shardboard?passfile=/data/pgpass"


def environment(**given: str) -> dict[str, str]:
    return common_environment(WANTED, given, ports=PORTS, postgres_url=POSTGRES_URL, secret_file=SECRET_FILE)


def test_services_can_read_their_environment() -> None:
    common = load_common(environment())
    assert [address.shard for address in common.shards] == ["s1", "s2"]
    assert common.shards[1].url == f"redis://127.0.0.1:{PORTS['redis-s2']}/0"
    assert common.kafka == f"127.0.0.1:{PORTS['kafka']}"
    assert common.calendar.kinds == ("all_time", "daily")
    gateway = service_plans(WANTED, environment(), ports=PORTS)[0]
    settings = read_settings(gateway.environment)
    assert (settings.listen.port, settings.common.admin_listen.port) == (8080, PORTS["gateway"])
    assert settings.actions_file == Path("/etc/actions.toml")


def test_no_secret_of_the_shell_enters_the_environment() -> None:
    given = {
        "SHARDBOARD_JWT_SECRET": "x" * 32,
        "SHARDBOARD_TOKEN": "t",
        "SHARDBOARD_DB_PASSWORD": "p",
        "SHARDBOARD_TEST_KAFKA": "k",
        "SHARDBOARD_TICK_MS": "5",
        "AWS_SECRET_ACCESS_KEY": "a",
    }
    found = environment(**given)
    assert set(found) & set(given) == {"SHARDBOARD_TICK_MS"}
    assert found["SHARDBOARD_JWT_SECRET_FILE"] == str(SECRET_FILE)


@pytest.mark.parametrize("name", ["SHARDBOARD_JWT_JWKS", "SHARDBOARD_JWT_PUBLIC_KEY_FILE"])
def test_with_an_issuers_keys_there_is_no_secret_and_no_demo_user_to_make_tokens_for(name: str) -> None:
    given = environment(**{name: "/etc/keys"})
    assert "SHARDBOARD_JWT_SECRET_FILE" not in given
    wanted = replace(WANTED, demo=True)
    assert "demo" in [plan.name for plan in service_plans(wanted, environment(), ports=PORTS)]
    assert "demo" not in [plan.name for plan in service_plans(wanted, given, ports=PORTS)]


def test_the_user_may_bring_a_secret_file_but_not_the_addresses() -> None:
    found = environment(SHARDBOARD_JWT_SECRET_FILE="/run/secrets/jwt", SHARDBOARD_KAFKA="elsewhere:9092")
    assert found["SHARDBOARD_JWT_SECRET_FILE"] == "/run/secrets/jwt"
    assert found["SHARDBOARD_KAFKA"] == f"127.0.0.1:{PORTS['kafka']}"


def test_each_shard_has_a_redis_and_a_worker() -> None:
    plans = service_plans(WANTED, environment(), ports=PORTS)
    assert [plan.name for plan in plans] == ["gateway", "worker-s1", "worker-s2", "merger", "archiver", "auditor"]
    assert [plan.environment.get("SHARDBOARD_SHARD") for plan in plans] == [None, "s1", "s2", *[None] * 3]
    assert len({plan.internal_port for plan in plans}) == 6


def test_the_demo_is_a_process_and_a_setting_of_the_gateway() -> None:
    with_demo = service_plans(replace(WANTED, demo=True), environment(), ports=PORTS)
    assert with_demo[-1].module == "shardboard.demo"
    assert [plan.environment.get("SHARDBOARD_DEMO") for plan in with_demo] == ["1", *[None] * 6]
    assert "SHARDBOARD_DEMO" not in service_plans(WANTED, environment(), ports=PORTS)[0].environment


def test_the_page_address_is_one_that_a_browser_here_can_open() -> None:
    assert replace(WANTED, host="0.0.0.0").url == "http://127.0.0.1:8080"  # noqa: S104
    assert replace(WANTED, host="::1").url == "http://[::1]:8080"
    listen = service_plans(replace(WANTED, host="::1"), environment(), ports=PORTS)[0].environment
    assert listen["SHARDBOARD_LISTEN"] == "[::1]:8080"


def test_new_shards_get_names_that_no_shard_has_or_had_lately() -> None:
    assert grown(("s1", "s2"), 4) == ("s1", "s2", "s3", "s4")
    assert grown(("s1", "s3"), 3) == ("s1", "s3", "s4")
    assert grown(("s1", "s3"), 2) == grown(("s1", "s3"), 0) == ("s1", "s3")


def test_shards_may_have_gaps() -> None:
    wanted = replace(WANTED, names=("s1", "s3"))
    assert wanted.shard_ids == ("s1", "s3")
    assert "redis-s3" in server_names(wanted.shard_ids)
