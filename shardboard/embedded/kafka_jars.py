"""Kafka's jars: a cache per user that holds exactly the files of the committed list, checked by SHA-256.

The list names every jar with its coordinates, so nothing is resolved at run time; jgo only fetches what is missing.
To make the list anew for another version: `python -m shardboard.embedded.kafka_jars VERSION > kafka_jars.sha256`."""

import contextlib
import fcntl
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

LIST_FILE = Path(__file__).with_name("kafka_jars.sha256")
# Enough to hide the registry's latency; more gains nothing on two cores.
_FETCHES_AT_ONCE = 6
# A cut download is normally whole the next time; one that never matches is another file than the list says.
_TRIES_MAX = 3
_FETCH_S_MAX = 30
_LOCK_AGAIN_S = 0.2

OnProgress = Callable[[int, int], None]


class JarsMissing(Exception):
    """Jars could not be fetched, or are not the files that the list names. The message says what to do."""


class FetchCancelled(Exception):
    """The caller no longer wants the jars. What was fetched until then is kept."""


@dataclass(frozen=True, slots=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def listed_jars() -> list[Jar]:
    """The committed list, in the order of the class path."""
    jars = []
    for line in LIST_FILE.read_text().splitlines():
        sha256, coordinates = line.split()
        group, artifact, version = coordinates.split(":")
        jars.append(Jar(group, artifact, version, sha256))
    return jars


def cache_dir(jars: Sequence[Jar]) -> Path:
    """The cache of this user for the Kafka version that the list names."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    version = next(jar.version for jar in jars if jar.artifact == "kafka_2.13")
    return Path(base) / "shardboard" / f"kafka-{version}"


def ensure_jars(
    jars: Sequence[Jar],
    folder: Path,
    *,
    on_progress: OnProgress | None = None,
    cancelled: threading.Event | None = None,
    remote_repos: Mapping[str, str] | None = None,
) -> list[Path]:
    """Return the jars' files, all verified. Fetches those that are missing or broken, else touches no network.

    Blocks; processes that share a cache take turns. `on_progress(done, total)` is called from this and other threads,
    only when something is fetched. Raises JarsMissing, FetchCancelled, OSError.
    """
    if any(not _is_intact(folder / jar.file_name, jar) for jar in jars):
        cancelled = cancelled or threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(folder, cancelled):
            wanted = [jar for jar in jars if not _is_intact(folder / jar.file_name, jar)]
            if wanted:
                fetch = _Fetch(
                    folder, total=len(jars), on_progress=on_progress, cancelled=cancelled, remote_repos=remote_repos
                )
                fetch.run(wanted)
    return [folder / jar.file_name for jar in jars]


class _Fetch:
    """One round of fetching into a cache whose turn we hold."""

    def __init__(
        self,
        folder: Path,
        *,
        total: int,
        on_progress: OnProgress | None,
        cancelled: threading.Event,
        remote_repos: Mapping[str, str] | None,
    ) -> None:
        self._folder = folder
        self._total = total
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._remote_repos = remote_repos
        self._done = 0
        self._done_lock = threading.Lock()

    def run(self, wanted: Sequence[Jar]) -> None:
        self._progress(self._total - len(wanted))
        with ThreadPoolExecutor(_FETCHES_AT_ONCE, thread_name_prefix="kafka-jars") as pool:
            try:
                for _ in pool.map(self._fetch, wanted):
                    pass
            except BaseException:
                self._cancelled.set()  # the other threads stop after the jar that they are at
                raise

    def _fetch(self, jar: Jar) -> None:
        """1. Fetch into a folder of our own. 2. Check. 3. Move into the cache: a file there is whole, or it is not."""
        reason = ""
        for _ in range(_TRIES_MAX):
            if self._cancelled.is_set():
                raise FetchCancelled
            with tempfile.TemporaryDirectory(dir=self._folder, prefix="fetch-") as workplace:
                try:
                    file = _download(jar, Path(workplace), remote_repos=self._remote_repos)
                except (OSError, RuntimeError) as error:  # jgo: a failed request, a jar that is not there
                    reason = f"{type(error).__name__}: {error}"
                    continue
                if _is_intact(file, jar):
                    file.replace(self._folder / jar.file_name)
                    self._progress(1)
                    return
                reason = f"the file that came is not the one with SHA-256 {jar.sha256}"
        raise JarsMissing(
            f"{jar.file_name} could not be fetched in {_TRIES_MAX} tries ({reason}). "
            f"Check the connection and start again: what has arrived in {self._folder} is kept"
        )

    def _progress(self, more: int) -> None:
        with self._done_lock:
            self._done += more
            if self._on_progress is not None:
                self._on_progress(self._done, self._total)


def _download(jar: Jar, workplace: Path, *, remote_repos: Mapping[str, str] | None) -> Path:
    try:
        from jgo.maven import MavenContext, PythonResolver
    except ModuleNotFoundError as error:
        raise JarsMissing("Kafka's jars need jgo to be fetched: pip install 'shardboard[embedded]'") from error
    repos = dict(remote_repos) if remote_repos is not None else None
    context = MavenContext(
        resolver=PythonResolver(), repo_cache=workplace, local_repos=[], remote_repos=repos, timeout=_FETCH_S_MAX
    )
    return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())


def _is_intact(file: Path, jar: Jar) -> bool:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _turn(folder: Path, cancelled: threading.Event) -> Iterator[None]:
    """Hold the cache's lock; the kernel frees it when we die."""
    with (folder / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled.wait(_LOCK_AGAIN_S):
                    raise FetchCancelled from None
        # Left by a fetch that was killed; nobody else fetches while we hold the lock.
        for leftover in folder.glob("fetch-*"):
            for file in sorted(leftover.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            leftover.rmdir()
        yield


def _resolve(version: str) -> list[Jar]:
    """Ask the registry for all jars that a broker of this version needs, with the checksums of the files that came."""
    from jgo.maven import Dependency, MavenContext, PythonResolver

    with tempfile.TemporaryDirectory() as workplace:
        context = MavenContext(
            resolver=PythonResolver(), repo_cache=Path(workplace), local_repos=[], timeout=_FETCH_S_MAX
        )

        def dependency(group: str, artifact: str, *, version: str) -> Dependency:
            return Dependency(context.project(group, artifact).at_version(version).artifact())

        roots = [dependency("org.apache.kafka", name, version=version) for name in ("kafka_2.13", "kafka-tools")]
        found = [each for half in context.resolver.resolve(roots) for each in half]
        # Kafka logs through slf4j and brings log4j, but not the piece between them.
        log4j = next(each.version for each in found if each.artifactId == "log4j-core")
        found.append(dependency("org.apache.logging.log4j", "log4j-slf4j-impl", version=log4j))
        with ThreadPoolExecutor(_FETCHES_AT_ONCE) as pool:
            files = list(pool.map(lambda each: each.artifact.resolve(), found))
        sums = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        return [Jar(d.groupId, d.artifactId, d.version, s) for d, s in zip(found, sums, strict=True)]


if __name__ == "__main__":
    for each in _resolve(sys.argv[1]):
        sys.stdout.write(f"{each.sha256}  {each.group}:{each.artifact}:{each.version}\n")
