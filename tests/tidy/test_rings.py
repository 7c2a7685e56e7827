"""The rings of tests hold: no test sleeps, none skips by itself, and every module has a test file of its name."""

from typing import Final

import pytest

from tests.tidy.ring_rules import skips, sleeps, untested
from tests.tidy.sources import assert_none, code_modules, modules, parse

EXCUSED: Final = {
    "audit/log_scores.py": "half of the count: tested in test_log_count.py against the apply model",
    "audit/postgres_rows.py": "tested in test_postgres_store.py on a real archive",
    "audit/redis_progress.py": "one pipeline, which test_service.py reads through",
    "audit/settings.py": "one setting: tested in test_config.py",
    "audit/tables.py": "tested in test_log_base.py and test_compare.py",
    "contracts/clock.py": "two lines around the clock",
    "contracts/dead_letter.py": "constants",
    "contracts/demo_users.py": "constants",
    "contracts/log.py": "two types",
    "contracts/restore.py": "one layout, which test_restored_partition.py reads and writes",
    "contracts/tokens.py": "constants, held fast in tests/contract/test_topics.py",
    "foundation/kafka_cluster.py": "one request, which every service makes at its start",
    "foundation/redis_cluster_mark.py": "two commands: test_service.py of each service refuses by them",
    "gateway/http_periods.py": "asked over HTTP in test_http_reads.py and test_postgres_closed.py",
    "gateway/ranked.py": "values without rules",
    "gateway/read_answers.py": "every answer is read over HTTP in test_http_reads.py",
    "gateway/routes_writes.py": "two routes: asked over HTTP in test_http_action_batch.py and test_http_users.py",
    "gateway/routes_reads.py": "one gateway's wiring: tested in test_http_reads.py and test_postgres_closed.py",
    "gateway/openapi_parts.py": "what every operation is made of: test_openapi_document.py, test_openapi_authority.py",
    "shard_worker/kafka_dead_letters.py": "whole letters are read back in test_service.py",
    "shard_worker/redis_restore_requests.py": "asked and answered in test_restored_partition.py",
    "shard_worker/redis_move_archive.py": "moves from the archive: tested in test_redis_mover.py",
    "shard_worker/redis_move_handover.py": "carries out what move_steps says: tested in test_redis_mover.py",
    "shard_worker/redis_move_tools.py": "what a mover gets and offers: an interface",
    "shard_worker/redis_readdress.py": "the way to another address: on real servers in test_redis_map.py",
    "shard_worker/redis_served.py": "the partitions of a session: tested in test_service.py and test_followed_map.py",
    "shard_worker/redis_session.py": "the whole of a worker's life: tested in test_service.py",
    "shard_worker/redis_session_tools.py": "what sessions get: made in service.py",
    "shard_worker/redis_taker.py": "beside the session, on whole workers: tested in test_followed_map.py",
    "shard_worker/redis_watch.py": "each second of a worker's life: tested in test_service.py and test_followed_map.py",
    "shard_worker/redis_top_reader.py": "tested in test_redis_shard.py against the model's order",
    "shardboard/cli/docs.py": "typed in test_app.py; its pages: test_metrics_page.py, test_command_page.py",
    "shardboard/cli/export.py": "typed in tests/acceptance/moderation/test_hidden.py and test_erase.py",
    "shardboard/cli/moderate.py": "typed in tests/acceptance/moderation, on a whole deployment",
    "shardboard/cli/options.py": "types of options",
    "shardboard/cli/postgres.py": "one connection: tested in test_db.py and test_revoke.py",
    "shardboard/cli/services.py": "one line for each service; typed in test_app.py",
    "shardboard/cli/topics.py": "typed in test_app.py",
    "shardboard/cli/up.py": "the options of `up`: typed in test_begin.py, test_run.py and test_screen.py",
    "shardboard/cli/version.py": "typed in test_app.py",
    "shardboard/revoke/entries.py": "three statements: test_revoke.py reads what they wrote",
    "shardboard/command_error.py": "one exception",
    "shardboard/moderation/audit.py": "read in tests/acceptance/moderation/test_orders.py and test_erase.py",
    "shardboard/moderation/export.py": "read in tests/acceptance/moderation/test_hidden.py and test_erase.py",
    "shardboard/embedded/launch.py": "the first code of every child: tested in test_child.py",
    "shardboard/embedded/server.py": "the interface of the servers, each of which has its tests",
}
"""Modules that need no test file of their own, each with its reason."""


def test_no_test_sleeps() -> None:
    assert_none([fault for module in modules() if module.package == "tests" for fault in sleeps(module)])


def test_no_test_skips_by_itself() -> None:
    assert_none([fault for module in modules() if module.package == "tests" for fault in skips(module)])


def test_every_module_has_a_test_file() -> None:
    code = tuple(module.path for module in code_modules() if module.package != "bench")
    tests = tuple(module.path for module in modules() if module.package == "tests")
    assert_none(list(untested(code, tests, excused=EXCUSED)))


def test_every_excuse_is_still_needed() -> None:
    assert set(EXCUSED) <= {str(module.path) for module in code_modules()}


@pytest.mark.parametrize(
    "text", ["import time\ntime.sleep(1)", "await asyncio.sleep(0.1)", "sleep(3)", "await page.wait_for_timeout(100)"]
)
def test_a_sleeping_test_is_seen(text: str) -> None:
    assert list(sleeps(parse("tests/unit/test_x.py", f"async def f():\n    {text.splitlines()[-1]}")))


def test_yielding_once_is_not_sleeping() -> None:
    assert list(sleeps(parse("tests/unit/test_x.py", "async def f(): await asyncio.sleep(0)"))) == []


@pytest.mark.parametrize(
    "text",
    ["pytest.skip('x')", "@pytest.mark.skipif(True)\ndef f(): ...", "pytest.importorskip('x')", "pytest.mark.xfail"],
)
def test_a_skipping_test_is_seen(text: str) -> None:
    assert list(skips(parse("tests/unit/test_x.py", text)))


def test_a_module_without_tests_is_seen() -> None:
    paths = [
        parse(path, "").path for path in ("gateway/sse.py", "tests/unit/merger/test_sse.py", "tests/tidy/test_sse.py")
    ]
    assert list(untested((paths[0],), tuple(paths[1:]), excused={}))
    for name in ("tests/unit/gateway/test_sse.py", "tests/integration/test_gateway_sse.py"):
        assert list(untested((paths[0],), (parse(name, "").path,), excused={})) == []
