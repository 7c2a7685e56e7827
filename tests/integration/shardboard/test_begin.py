"""How `up` begins, and what it refuses to begin."""

from pathlib import Path

from contracts.exit_codes import ExitCode
from shardboard.embedded.ports import free_ports
from tests.integration.shardboard.conftest import Here
from tests.support.command import shardboard


def test_a_taken_port_is_named_with_its_holder_and_the_option(here: Here, tmp_path: Path) -> None:
    answer = shardboard("up", "--port", str(here.port), cwd=tmp_path)
    assert answer.returncode == ExitCode.REFUSED
    assert f"port {here.port} is taken by process {here.process('gateway').pid} " in answer.stderr
    assert f"--port {here.port + 1}" in answer.stderr


def test_a_second_up_on_the_same_folder_is_refused_with_the_pid(here: Here) -> None:
    answer = here.run("up", "--port", str(free_ports(1)[0]))
    assert answer.returncode == ExitCode.REFUSED
    assert f"process {here.run_file().supervisor.pid} already runs" in answer.stderr


def test_what_the_deployment_was_made_with_cannot_be_changed(here: Here) -> None:
    assert here.run("down").returncode == ExitCode.OK
    answer = here.up("--partitions", "16")
    assert answer.returncode == ExitCode.REFUSED
    assert "--partitions 16" in answer.stdout
    answer = shardboard("up", "--port", str(here.port), cwd=here.folder, environ={"SHARDBOARD_PERIODS": "all_time"})
    assert answer.returncode == ExitCode.REFUSED
    assert "SHARDBOARD_PERIODS" in answer.stderr
    here.up_ok()


def test_a_folder_of_somebody_else_is_left_alone(here: Here, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("my work")
    for words in ((), ("--detach",), ("--fresh", "--yes")):
        answer = shardboard("up", "--data-dir", str(tmp_path), *words, cwd=here.folder)
        assert answer.returncode == ExitCode.REFUSED
        assert "no deployment of Shardboard" in answer.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_service_that_refuses_ends_the_start_with_its_reason(tmp_path: Path) -> None:
    """Production refuses one Kafka broker; `up` tells why, leaves nothing running, and exits as a refusal."""
    new = Here(tmp_path, free_ports(1)[0])
    answer = shardboard(
        "up",
        "--port",
        str(new.port),
        "--shards",
        "1",
        "--no-demo",
        cwd=tmp_path,
        environ={
            "SHARDBOARD_ENV": "production",
            "SHARDBOARD_ALLOW_INSECURE": "default-issuer,plaintext-passwords",
        },
    )
    assert answer.returncode == ExitCode.REFUSED, answer.stdout + answer.stderr
    assert "replication 1, production needs" in answer.stderr
    assert new.survivors() == []
    assert not (new.data_dir / "run.json").exists()
