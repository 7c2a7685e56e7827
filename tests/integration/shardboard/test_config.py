"""`shardboard config`: every service's settings in one list."""

from pathlib import Path

from contracts.exit_codes import ExitCode
from shardboard.all_settings import READERS
from tests.support.command import shardboard, valid

CATALOGUE = "[actions.commit]\npoints = 10\n"
SECRET = "a secret of somebody's own, long enough"


def test_show_tells_values_origins_and_readers(tmp_path: Path) -> None:
    answer = shardboard("config", "show", "-o", "json", cwd=tmp_path, environ={"SHARDBOARD_TICK_MS": "5"})
    settings = {setting["name"]: setting for setting in valid(answer.stdout, "config-show")["settings"]}
    tick = settings["SHARDBOARD_TICK_MS"]
    assert (tick["value"], tick["is_default"], tick["services"]) == ("5", False, ["gateway"])
    kafka = settings["SHARDBOARD_KAFKA"]
    assert (kafka["is_default"], set(kafka["services"])) == (True, set(READERS))
    assert (
        "SHARDBOARD_TICK_MS = 5"
        in shardboard("config", "show", cwd=tmp_path, environ={"SHARDBOARD_TICK_MS": "5"}).stdout
    )


def test_no_secret_is_shown(tmp_path: Path) -> None:
    environ = {
        "SHARDBOARD_JWT_SECRET": SECRET,
        "SHARDBOARD_TOKEN": "my.own.token",
        "SHARDBOARD_CACHE_URL": "redis://me:pass-word@cache:6379/0",
        "SHARDBOARD_SHARDS": "s1=redis://:pass-word@a:1/0,s2=rediss://me:pass-word@b:1/0",
        "SHARDBOARD_POSTGRES_URL": "postgresql://me:pass-word@db/shardboard",
    }
    for output in ("table", "json"):
        shown = shardboard("config", "show", "-o", output, cwd=tmp_path, environ=environ).stdout
        assert "redis://me:***@cache:6379/0" in shown
        assert not [word for word in (SECRET, "my.own.token", "pass-word") if word in shown]


def test_check_tells_all_faults_at_once(tmp_path: Path) -> None:
    environ = {"SHARDBOARD_ENV": "production", "SHARDBOARD_TICK_MS": "fast", "SHARDBOARD_SHARDS": "one"}
    answer = shardboard("config", "check", "-o", "json", cwd=tmp_path, environ=environ)
    assert answer.returncode == ExitCode.REFUSED
    faults = " ".join(valid(answer.stdout, "config-check")["faults"])
    for word in ("development secret", "SHARDBOARD_TICK_MS", "SHARDBOARD_SHARDS", "SHARDBOARD_ACTIONS_FILE"):
        assert word in faults


def test_check_is_content_and_warns_of_what_nothing_reads(tmp_path: Path) -> None:
    (tmp_path / "actions.toml").write_text(CATALOGUE)
    assert shardboard("config", "check", cwd=tmp_path).returncode == ExitCode.OK
    answer = shardboard("config", "check", cwd=tmp_path, environ={"SHARDBOARD_KAFAK": "x"})
    assert answer.returncode == ExitCode.DIFFERENT
    assert "SHARDBOARD_KAFAK" in answer.stderr
