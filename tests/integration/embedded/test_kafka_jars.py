"""The cache of Kafka's jars, against a real repository on loopback that cuts, spoils and refuses what it serves."""

import asyncio
import hashlib
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from shardboard.embedded.kafka_jars import FetchCancelled, Jar, JarsMissing, cache_dir, ensure_jars, listed_jars
from shardboard.embedded.ports import LOOPBACK

CONTENTS = {name: name.encode() * 20_000 for name in ("a", "b", "c")}
JARS = [Jar("org.example", name, "1.0", hashlib.sha256(content).hexdigest()) for name, content in CONTENTS.items()]


class Repository:
    """Serves CONTENTS as a Maven repository does; each trouble below strikes once and is gone."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: Counter[str] = Counter()
        self.cut_once: set[str] = set()
        self.spoil_once: set[str] = set()
        self.refuse_always: set[str] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["artifact"]
        if not request.path.endswith(".jar"):
            raise web.HTTPNotFound
        self.requests[name] += 1
        if name in self.refuse_always:
            raise web.HTTPNotFound
        content = CONTENTS[name]
        if name in self.spoil_once:
            self.spoil_once.discard(name)
            return web.Response(body=content[:-1] + b"?")
        if name in self.cut_once:
            self.cut_once.discard(name)
            return await self._cut(request, content)
        return web.Response(body=content)

    async def _cut(self, request: web.Request, content: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: len(content) // 2])
        assert request.transport is not None
        request.transport.close()
        return response


@pytest.fixture
async def repository() -> AsyncIterator[Repository]:
    repository = Repository()
    app = web.Application()
    app.router.add_get("/org/example/{artifact}/1.0/{file}", repository.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    repository.url = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    try:
        yield repository
    finally:
        await runner.cleanup()


async def fetch(repository: Repository, folder: Path, *, progress: list[tuple[int, int]] | None = None) -> list[Path]:
    def note(done: int, total: int) -> None:
        if progress is not None:
            progress.append((done, total))

    return await asyncio.to_thread(ensure_jars, JARS, folder, on_progress=note, remote_repos={"local": repository.url})


def jars_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.jar"))


def assert_complete(folder: Path) -> None:
    """All files are whole and nothing else is left but the lock."""
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.name != ".lock"} == {
        f"{name}-1.0.jar": content for name, content in CONTENTS.items()
    }


async def test_an_empty_cache_is_filled_once(repository: Repository, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    folder = tmp_path / "new" / "cache"
    assert await fetch(repository, folder, progress=progress) == [folder / jar.file_name for jar in JARS]
    assert_complete(folder)
    assert progress == [(0, 3), (1, 3), (2, 3), (3, 3)]
    await fetch(repository, folder, progress=progress)
    assert repository.requests == {"a": 1, "b": 1, "c": 1}
    assert len(progress) == 4


async def test_a_cut_download_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    repository.cut_once.add("b")
    await fetch(repository, tmp_path)
    assert_complete(tmp_path)
    assert repository.requests == {"a": 1, "b": 2, "c": 1}


async def test_a_spoilt_download_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    repository.spoil_once.add("b")
    await fetch(repository, tmp_path)
    assert_complete(tmp_path)
    assert repository.requests == {"a": 1, "b": 2, "c": 1}


@pytest.mark.parametrize("broken", [b"", CONTENTS["b"][:1000], CONTENTS["a"]], ids=["empty", "cut", "another"])
async def test_a_broken_file_in_the_cache_is_replaced(repository: Repository, tmp_path: Path, broken: bytes) -> None:
    await fetch(repository, tmp_path)
    (tmp_path / "b-1.0.jar").write_bytes(broken)
    await fetch(repository, tmp_path)
    assert_complete(tmp_path)
    assert repository.requests == {"a": 1, "b": 2, "c": 1}


async def test_what_never_comes_is_named_and_the_rest_is_kept(repository: Repository, tmp_path: Path) -> None:
    repository.refuse_always.add("b")
    with pytest.raises(JarsMissing, match=r"b-1\.0\.jar could not be fetched in 3 tries"):
        await fetch(repository, tmp_path)
    assert jars_in(tmp_path) == ["a-1.0.jar", "c-1.0.jar"]
    repository.refuse_always.clear()
    await fetch(repository, tmp_path)
    assert_complete(tmp_path)
    assert repository.requests == {"a": 1, "b": 4, "c": 1}


async def test_what_a_killed_fetch_left_is_swept(repository: Repository, tmp_path: Path) -> None:
    leftover = tmp_path / "fetch-abc" / "org" / "example"
    leftover.mkdir(parents=True)
    (leftover / "a-1.0.jar").write_bytes(b"half")
    await fetch(repository, tmp_path)
    assert_complete(tmp_path)


async def test_two_at_once_fetch_each_file_once(repository: Repository, tmp_path: Path) -> None:
    await asyncio.gather(fetch(repository, tmp_path), fetch(repository, tmp_path))
    assert_complete(tmp_path)
    assert repository.requests == {"a": 1, "b": 1, "c": 1}


async def test_a_cancelled_fetch_stops(repository: Repository, tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(FetchCancelled):
        await asyncio.to_thread(
            ensure_jars, JARS, tmp_path, cancelled=cancelled, remote_repos={"local": repository.url}
        )
    assert repository.requests == {}


def test_a_complete_cache_needs_neither_network_nor_jgo(tmp_path: Path) -> None:
    """A process of its own, in which opening any socket or importing jgo ends it."""
    for name, content in CONTENTS.items():
        (tmp_path / f"{name}-1.0.jar").write_bytes(content)
    code = f"""
import socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("a socket was opened")
socket.socket = refuse
sys.modules["jgo"] = None
from pathlib import Path
from shardboard.embedded.kafka_jars import Jar, ensure_jars
jars = {[(jar.group, jar.artifact, jar.version, jar.sha256) for jar in JARS]!r}
assert len(ensure_jars([Jar(*jar) for jar in jars], Path({str(tmp_path)!r}))) == 3
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)


def test_the_committed_list_names_each_file_once_and_one_kafka() -> None:
    jars = listed_jars()
    assert len({jar.file_name for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 for jar in jars)
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.3.1"}
    assert any(jar.artifact == "log4j-slf4j-impl" for jar in jars)


def test_the_cache_belongs_to_the_user_and_the_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir(listed_jars()) == tmp_path / "shardboard" / "kafka-4.3.1"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_dir(listed_jars()) == Path("/home/somebody/.cache/shardboard/kafka-4.3.1")
