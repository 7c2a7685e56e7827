"""The committed page of routes says what the gateway describes, and the balancer lets every method of it through."""

import re
from pathlib import Path

from gateway.app import build_rest
from gateway.routes_page import read_files
from shardboard.api_page import api_page

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "api.md"
BALANCER = ROOT / "deploy" / "haproxy" / "haproxy.cfg"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == api_page(), "run: shardboard docs api > docs/api.md"


def test_every_route_is_told() -> None:
    titles = re.findall(r"^## ([A-Z]+) (/\S*)$", api_page(), re.MULTILINE)
    described = build_rest(read_files(), demo=None).openapi()["paths"]
    assert titles
    assert sorted(titles) == sorted(
        (method.upper(), path) for path, methods in described.items() for method in methods if method != "head"
    )


def test_the_balancer_lets_every_method_through() -> None:
    (let_in,) = re.findall(r"deny_status 405 .* unless \{ method ([A-Z ]+) \}", BALANCER.read_text())
    assert {method for method, _ in re.findall(r"^## ([A-Z]+) (/\S*)$", api_page(), re.MULTILINE)} <= set(
        let_in.split()
    )
