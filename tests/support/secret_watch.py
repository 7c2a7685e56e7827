"""Looks through everything that a test run logged for tokens and secrets: what the tests' own processes wrote, and the
log files of all processes that they started. One that is found fails the run.

Tokens that a program prints because it was asked to (`shardboard token`) go to standard output, which is no log.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from contracts.tokens import DEVELOPMENT_SECRET

TOKEN: Final = re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}")
KNOWN: Final = (
    DEVELOPMENT_SECRET.encode(),
    b"a-secret-of-more-than-thirty-two-bytes",
    b"a-secret-of-the-",
    b"only-for-those-who-are-let-in",
)
"""Secrets that tests use: the beginning of each."""
PRIVATE_KEY: Final = b"PRIVATE KEY-----"
LOG_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one file, from its beginning: far more than any test writes."""
_SECTIONS: Final = ("Captured log", "Captured stderr")
_LOGS: Final = ("*.log", "*.stderr", "logs/*")
_SCREEN: Final = "up.log"
"""What a detached `up` shows instead of a terminal: the command to try, with its token, is the purpose of it."""


def leaks(text: bytes) -> list[str]:
    """What in a log must not be there, told without telling it."""
    found = [f"a token: {match[:12].decode()}…" for match in TOKEN.findall(text)]
    found += [f"a secret: {secret[:12].decode()}…" for secret in KNOWN if secret in text]
    return found + (["a private key"] if PRIVATE_KEY in text else [])


class SecretWatch:
    """A plugin of pytest: notes what each test wrote, and reads the files at the end."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.texts = 0
        self.files = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for title, text in report.sections:
            if title.startswith(_SECTIONS):
                self.texts += 1
                self.found += [f"{report.nodeid} ({title}): {leak}" for leak in leaks(text.encode(errors="replace"))]

    def look_at(self, folder: Path) -> None:
        """Read the logs below a folder."""
        for path in sorted(_logs_below(folder)):
            try:
                with path.open("rb") as file:
                    text = file.read(LOG_BYTES_MAX)
            except OSError:  # gone, or nobody's to read
                continue
            self.files += 1
            shown = TOKEN.sub(b"", text) if path.name == _SCREEN else text
            self.found += [f"{path}: {leak}" for leak in leaks(shown)]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        factory = getattr(session.config, "_tmp_path_factory", None)
        base = getattr(factory, "_basetemp", None)
        if base is not None:
            self.look_at(base)
        if self.found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for leak in self.found:
            terminalreporter.write_line(f"logged: {leak}", red=True)


def _logs_below(folder: Path) -> Iterator[Path]:
    seen = set()
    for pattern in _LOGS:
        for path in folder.rglob(pattern):
            if path.is_file() and not path.is_symlink() and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SecretWatch(), "secret watch")
