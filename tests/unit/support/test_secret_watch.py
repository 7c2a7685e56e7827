"""A token or a secret in a log fails the run, wherever it stands."""

from pathlib import Path

import pytest

from contracts.tokens import DEVELOPMENT_SECRET
from tests.support.running_gateway import token_for
from tests.support.secret_watch import SecretWatch, leaks

TOKEN = token_for("ada")


@pytest.mark.parametrize(
    "text",
    [
        f'{{"event":"refused","header":"Bearer {TOKEN}"}}',
        f"GET /?access_token={TOKEN} HTTP/1.1",
        f"settings: secret='{DEVELOPMENT_SECRET}'",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_what_must_not_be_logged_is_seen_and_not_repeated(text: str) -> None:
    (told,) = leaks(text.encode())
    assert TOKEN not in told
    assert DEVELOPMENT_SECRET not in told


def test_what_may_be_logged_is_not() -> None:
    assert leaks(b"listening address=127.0.0.1:1 token_cache=hit eyJhbGciOiJIUzI1NiJ9 -----BEGIN PUBLIC KEY-----") == []


def test_files_of_started_processes_are_read(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gateway").write_text(f"refused {TOKEN}")
    (tmp_path / "kafka.log").write_text("started")
    watch = SecretWatch()
    watch.look_at(tmp_path)
    (told,) = watch.found
    assert "gateway" in told
    (tmp_path / "logs" / "gateway").unlink()


def test_a_run_that_logged_a_token_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import logging, sys\n"
        "def test_quiet(): logging.warning('nothing')\n"
        f"def test_talks(): logging.warning('Bearer {TOKEN}')\n"
        "def test_prints(): print('nothing', file=sys.stderr)\n"
    )
    ended = pytester.runpytest_subprocess("-p", "tests.support.secret_watch", "-p", "no:cacheprovider")
    ended.stdout.fnmatch_lines(["*logged: *test_talks*a token: eyJ*"])
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    assert TOKEN not in ended.stdout.str()
