"""Where the secret of tokens comes from: never from two places."""

from pathlib import Path

import pytest

from contracts.exit_codes import ExitCode
from contracts.tokens import DEVELOPMENT_SECRET
from foundation.env import BadSettings
from shardboard.cli.target import find_gateway_url, find_token_settings
from shardboard.command_error import CommandError
from shardboard.deployment import RunFile, SupervisorProcess

SHELL_SECRET = "the-shell-s-secret-of-32-bytes-or-more"
OWN_SECRET = "the-deployment-s-secret-of-32-bytes-or-more"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A deployment that runs, whose secret is in a file."""
    folder = tmp_path / "deployment"
    folder.mkdir()
    secret_file = folder / "jwt-secret"
    secret_file.write_text(OWN_SECRET)
    environment = {"SHARDBOARD_JWT_SECRET_FILE": str(secret_file), "SHARDBOARD_JWT_ISSUER": "mine"}
    run = RunFile(
        state="up",
        supervisor=SupervisorProcess(1, 1),
        url="http://127.0.0.1:9999",
        environment=environment,
        processes=(),
    )
    run.write(folder / "run.json")
    return folder


def test_the_deployment_that_is_named_signs_with_its_own_secret(data_dir: Path) -> None:
    settings = find_token_settings(data_dir, {"SHARDBOARD_JWT_SECRET": SHELL_SECRET})
    assert (settings.secret, settings.issuer) == (OWN_SECRET, "mine")
    assert find_gateway_url(data_dir, {}) == "http://127.0.0.1:9999"


def test_without_a_name_the_shell_s_secret_comes_first(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir.rename(data_dir.with_name(".shardboard"))
    (data_dir.parent / ".shardboard" / "jwt-secret").chmod(0o600)
    monkeypatch.chdir(data_dir.parent)
    assert find_token_settings(None, {"SHARDBOARD_JWT_SECRET": SHELL_SECRET}).secret == SHELL_SECRET


def test_a_secret_alone_needs_no_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_token_settings(None, {"SHARDBOARD_JWT_SECRET": SHELL_SECRET}).secret == SHELL_SECRET
    with pytest.raises(CommandError) as refused:
        find_token_settings(None, {})
    assert refused.value.code is ExitCode.REFUSED


def test_a_deployment_of_the_environment_without_secret_has_the_development_one() -> None:
    environ = {"SHARDBOARD_URL": "http://127.0.0.1:1"}
    assert find_token_settings(None, environ).secret == DEVELOPMENT_SECRET
    with pytest.raises(BadSettings, match="development secret"):
        find_token_settings(None, {**environ, "SHARDBOARD_ENV": "production"})


def test_a_folder_without_deployment_is_refused_whatever_the_shell_says(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        find_token_settings(tmp_path / "none", {"SHARDBOARD_JWT_SECRET": SHELL_SECRET})
