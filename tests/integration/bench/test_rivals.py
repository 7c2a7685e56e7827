"""Writes of Podium and Nakama go out as their documentation asks, seen by a server that answers like them."""

import base64
import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.asked import Asked
from bench.rivals import NAKAMA, PODIUM, RivalFailed, rivals, unreachable
from bench.wrk import rate
from tests.support.services import missing

KEY = "a-server-key"
TOKEN = "token of "


class Scores:
    """What both would have stored."""

    def __init__(self) -> None:
        self.podium: Counter[str] = Counter()
        self.nakama: Counter[str] = Counter()
        self.faults: list[str] = []


class Answering(BaseHTTPRequestHandler):
    """`PUT /l/:board/members/:member/score`, `POST /v2/leaderboard/:id`, and what comes before them."""

    protocol_version = "HTTP/1.1"
    scores: Scores

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/healthcheck" else 404, "WORKING")

    def do_PUT(self) -> None:
        _, kind, board, members, member, score = self.path.split("/")
        body = self._body()
        if (kind, board, members, score) != ("l", "shardboard", "members", "score") or not isinstance(
            body["score"], int
        ):
            return self._refuse(f"PUT {self.path} {body}")
        self.scores.podium[member] += 1
        return self._answer(200, {"success": True, "member": {"publicID": member, "score": body["score"], "rank": 1}})

    def do_POST(self) -> None:
        path, body, told = self.path.partition("?")[0], self._body(), self.headers.get("Authorization", "")
        if path == "/v2/account/authenticate/device":
            is_known = told == "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
            return self._answer(200, {"token": TOKEN + body["id"]}) if is_known else self._answer(401, {})
        if path != "/v2/leaderboard/shardboard" or not told.startswith(f"Bearer {TOKEN}") or body != {"score": "10"}:
            return self._refuse(f"POST {self.path} {body} {told}")
        self.scores.nakama[told.removeprefix(f"Bearer {TOKEN}")] += 1
        return self._answer(200, {"leaderboard_id": "shardboard"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the signature is the class's
        """Nothing."""

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _refuse(self, what: str) -> None:
        self.scores.faults.append(what)
        self._answer(400, {})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def answering() -> Iterator[tuple[str, Scores]]:
    """Its host and port, and what it stored."""
    scores = Scores()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Answering,), {"scores": scores}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", scores
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_every_write_is_one_users_score(answering: tuple[str, Scores], tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        missing("wrk", "`make test-deps` installs it")
    host, scores = answering
    asked = Asked(podium=f"http://{host}/", nakama=f"http://{KEY}@{host}")
    assert unreachable(asked) == []
    found = await rivals(asked)
    assert list(found) == [PODIUM, NAKAMA]
    for name, stored in ((PODIUM, scores.podium), (NAKAMA, scores.nakama)):
        url, requests = found[name]
        assert url == f"http://{host}"
        per_s, count = await rate(url, requests, connections=4, load_s=1, folder=tmp_path / name)
        assert per_s > 0
        assert count <= stored.total() <= count + 4  # those under way at the end
        assert len(stored) > 1
    assert scores.faults == []


async def test_a_wrong_key_is_told(answering: tuple[str, Scores]) -> None:
    with pytest.raises(RivalFailed, match="401"):
        await rivals(Asked(nakama=f"http://{answering[0]}"))


def test_an_address_that_does_not_answer_is_told_with_its_option() -> None:
    told = unreachable(Asked(podium="http://127.0.0.1:9", nakama="nonsense"))
    assert [line.split(":")[0] for line in told] == ["a Podium at http", "a Nakama at nonsense"]
    assert "leave --podium out" in told[0]


async def test_none_given_is_none_driven() -> None:
    assert await rivals(Asked()) == {}
