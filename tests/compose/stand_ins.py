"""Images under the public names for an engine that can pull none: the same real software, from the packages that the
embedded servers and Debian bring. `python -m tests.compose.stand_ins --debian IMAGE --python IMAGE` builds what lacks.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shardboard.embedded.java import wheel_java
from shardboard.embedded.kafka_jars import cache_dir, ensure_jars, listed_jars
from shardboard.embedded.postgres import postgres_bin_dir
from shardboard.embedded.valkey import valkey_binary

FOLDER: Final = Path(__file__).parent / "stand_ins"
BASE: Final = "shardboard-test/debian:latest"
PYTHON: Final = "python:3.11-slim-bookworm"
BUILD_S_MAX: Final = 600
"""The base installs Debian packages, on a slow machine and line."""


def build_missing(debian: str, python: str) -> None:
    """Build the stand-ins that the engine lacks. Raises CalledProcessError."""
    if not _has(BASE):
        _build(BASE, "base", contents={}, base=debian)
    if not _has(PYTHON):
        subprocess.run(["docker", "tag", python, PYTHON], check=True)
    for image, (name, contents) in IMAGES.items():
        if not _has(image):
            _build(image, name, contents=contents(), base=BASE)


def _kafka() -> dict[str, Path]:
    jars = listed_jars()
    ensure_jars(jars, cache_dir(jars))
    return {"jars": cache_dir(jars), "java": wheel_java().parents[1], "kafka.sh": FOLDER / "kafka.sh"}


def _postgres() -> dict[str, Path]:
    package = postgres_bin_dir().parents[1]
    # Its programs find their libraries beside the package, as the wheel has them.
    libraries = package.with_name(f"{package.name}.libs")
    return {package.name: package, libraries.name: libraries, "postgres.sh": FOLDER / "postgres.sh"}


IMAGES: Final[dict[str, tuple[str, Callable[[], dict[str, Path]]]]] = {
    "valkey/valkey:9.1": ("valkey", lambda: {"valkey-server": valkey_binary()}),
    "redis:7": ("redis", dict),
    "postgres:18": ("postgres", _postgres),
    "apache/kafka:4.3.1": ("kafka", _kafka),
    "haproxy:2.6": ("haproxy", lambda: {"haproxy.sh": FOLDER / "haproxy.sh"}),
    "prom/prometheus:v2.42.0": ("prometheus", dict),
}
"""The public name → its Dockerfile, and what is copied into it."""


def _build(image: str, name: str, *, contents: dict[str, Path], base: str) -> None:
    with tempfile.TemporaryDirectory(prefix="shardboard-stand-in-") as folder:
        context = Path(folder)
        for target, source in contents.items():
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, context / target)
        shutil.copy(FOLDER / f"{name}.Dockerfile", context / "Dockerfile")
        words = ["docker", "build", "--quiet", "--tag", image, "--build-arg", f"BASE={base}", folder]
        # The classic builder: BuildKit may be missing where images cannot be pulled.
        environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
        subprocess.run(words, check=True, env=environ, timeout=BUILD_S_MAX, stdout=subprocess.DEVNULL)
    sys.stdout.write(f"built {image}\n")


def _has(image: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--debian", required=True, help="an image of Debian 12 that the engine has")
    parser.add_argument("--python", required=True, help="an image of Python 3.11 that the engine has")
    options = parser.parse_args()
    build_missing(options.debian, options.python)


if __name__ == "__main__":
    main()
