"""Settings that must not go together are refused, and every fault is told at once."""

import pytest

from foundation.env import BadSettings
from gateway.settings import read_settings


def test_defaults_are_good() -> None:
    settings = read_settings({})
    assert (settings.listen.host, settings.listen.port) == ("127.0.0.1", 8080)
    assert settings.cors_origins == frozenset()
    assert not settings.is_demo


def test_the_demo_is_refused_in_production() -> None:
    secret = "s" * 32
    with pytest.raises(BadSettings, match="SHARDBOARD_DEMO"):
        read_settings({"SHARDBOARD_ENV": "production", "SHARDBOARD_DEMO": "1", "SHARDBOARD_JWT_SECRET": secret})


def test_the_produce_deadline_leaves_room_below_the_delivery_timeout() -> None:
    with pytest.raises(BadSettings, match="SHARDBOARD_PRODUCE_DEADLINE_MS = 8000"):
        read_settings({"SHARDBOARD_DELIVERY_TIMEOUT_MS": "7000"})


@pytest.mark.parametrize("origins", ["example.org", "https://a.example/path", "ftp://a.example", "https://a.example,x"])
def test_an_origin_is_scheme_and_host(origins: str) -> None:
    with pytest.raises(BadSettings, match="SHARDBOARD_CORS_ORIGINS"):
        read_settings({"SHARDBOARD_CORS_ORIGINS": origins})


def test_origins_are_a_list() -> None:
    settings = read_settings({"SHARDBOARD_CORS_ORIGINS": "https://a.example, http://localhost:3000/"})
    assert settings.cors_origins == {"https://a.example", "http://localhost:3000"}


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(BadSettings) as caught:
        read_settings(
            {"SHARDBOARD_LISTEN": "8080", "SHARDBOARD_TICK_MS": "500", "SHARDBOARD_PRODUCE_DEADLINE_MS": "9000"}
        )
    assert len(caught.value.faults) == 3
