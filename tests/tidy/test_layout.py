"""The layout holds: pure modules compute, imports point one way, services are built alike."""

import pytest

from tests.tidy.layout_rules import (
    imports_against_the_arrow,
    impurities,
    may_touch_the_world,
    missing_service_files,
    vague_name,
)
from tests.tidy.sources import SERVICES, assert_none, code_modules, parse, text_files


def test_pure_modules_only_compute() -> None:
    pure = [module for module in code_modules() if not may_touch_the_world(module.path)]
    assert len(pure) > 15
    assert_none([fault for module in pure for fault in impurities(module)])


def test_imports_point_one_way() -> None:
    assert_none([fault for module in code_modules() for fault in imports_against_the_arrow(module)])


def test_names_say_what_is_inside() -> None:
    assert_none([fault for file in text_files() if (fault := vague_name(file.path))])


@pytest.mark.parametrize("service", SERVICES)
def test_services_are_built_alike(service: str) -> None:
    assert_none(list(missing_service_files(service, frozenset(str(file.path) for file in text_files()))))


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio",
        "import time",
        "from time import monotonic",
        "import random",
        "import os",
        "from pathlib import Path",
        "from uuid import uuid4",
        "import redis.asyncio",
        "from aiokafka import AIOKafkaProducer",
        "def late():\n    import socket",
        "from contracts import clock",
        "from contracts.clock import now_ms",
        "from gateway import kafka_producer",
        "from . import redis_board",
        "from foundation.logs import get_log",
        "from datetime import datetime\nx = datetime.now()",
        "import datetime\nx = datetime.datetime.now(datetime.UTC)",
        "from datetime import date\nx = date.today()",
        "x = open('f')",
        "async def f(): ...",
    ],
)
def test_touching_the_world_is_seen(text: str) -> None:
    assert list(impurities(parse("gateway/board.py", text)))


@pytest.mark.parametrize(
    "text",
    [
        "import msgspec, re, json",
        "from datetime import datetime\nx = datetime.fromtimestamp(1)",
        "from contracts import periods\nfrom contracts.ids import UserId",
        "from gateway.settings import GatewaySettings",
        "from foundation.health import ProgressHealth",
        "from pathlib import PurePosixPath",
        "from uuid import UUID",
        "def f(now): return now()",
    ],
)
def test_computing_is_allowed(text: str) -> None:
    assert list(impurities(parse("gateway/board.py", text))) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("contracts/ids.py", "import foundation.env"),
        ("foundation/env.py", "from partitioning import plan"),
        ("partitioning/plan.py", "from gateway import app"),
        ("gateway/app.py", "from merger.service import serve"),
        ("merger/service.py", "import shard_worker.settings"),
        ("merger/service.py", "from shardboard.embedded import ports"),
        ("merger/service.py", "from tests.support import wait"),
        ("shard_worker/service.py", "from partitioning.postgres_map import read_map"),
        ("shard_worker/service.py", "from partitioning import postgres_map"),
        ("gateway/app.py", "from ..merger import service"),
    ],
)
def test_an_import_against_the_arrow_is_seen(path: str, text: str) -> None:
    assert list(imports_against_the_arrow(parse(path, text)))


def test_a_vague_name_is_seen() -> None:
    assert vague_name(parse("gateway/token_helpers.py", "").path)
    assert vague_name(parse("merger/utils/rows.py", "").path)
    assert vague_name(parse("gateway/token_rules.py", "").path) is None


def test_a_service_without_its_loop_is_seen() -> None:
    missing = missing_service_files("merger", frozenset({"merger/__init__.py", "merger/settings.py"}))
    assert [fault.partition(":")[0] for fault in missing] == ["merger/service.py", "merger/__main__.py"]
