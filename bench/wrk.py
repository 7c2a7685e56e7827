"""Requests as fast as they are answered, by Debian's `wrk`: for rates only. It waits for an answer before it sends the
next request, so what it says of latency leaves that waiting out (bench/open_loop.py does not)."""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAM: Final = "wrk"
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_FAILED = re.compile(r"(Non-2xx or 3xx responses|Socket errors): .*")
_TOTAL = re.compile(r"(\d+) requests in")


class WrkFailed(Exception):
    """It did not run, or answers were not as wanted; the message holds its own."""


@dataclass(frozen=True, slots=True)
class Request:
    """One of them."""

    method: str
    path: str
    body: bytes = b""
    token: str = ""

    def made(self) -> str:
        """In Lua."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if self.body:
            headers["Content-Type"] = "application/json"
        table = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
        body = json.dumps(self.body.decode()) if self.body else "nil"
        return f"wrk.format({json.dumps(self.method)}, {json.dumps(self.path)}, {{{table}}}, {body})"


@dataclass(frozen=True, slots=True)
class Requests:
    """What is sent in turn: one path, with several bodies when it is a POST; or several requests of any kind."""

    path: str = "/"
    bodies: tuple[bytes, ...] = ()
    token: str = ""
    several: tuple[Request, ...] = ()

    def script(self) -> str:
        """For wrk: every request is made before the first is sent."""
        lines = ["local made = {}", "function init(args)"]
        lines += [f"  made[#made + 1] = {request.made()}" for request in self._all()]
        lines += ["end", "local at = 0", "function request()", "  at = at % #made + 1", "  return made[at]", "end"]
        return "\n".join(lines) + "\n"

    def _all(self) -> Sequence[Request]:
        if self.several:
            return self.several
        if self.bodies:
            return [Request("POST", self.path, body, self.token) for body in self.bodies]
        return [Request("GET", self.path, token=self.token)]


async def rate(url: str, requests: Requests, *, connections: int, load_s: float, folder: Path) -> tuple[float, int]:
    """Answers per second, and how many there were. Raises WrkFailed when one was not 2xx."""
    script = _written(folder, requests)
    seconds = max(1, round(load_s))  # wrk counts whole ones
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url, stdout=pipe, stderr=pipe
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    try:
        return parse(out.decode(), err.decode())
    except WrkFailed as failed:
        raise WrkFailed(f"{url}: {failed}") from failed


def _written(folder: Path, requests: Requests) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "requests.lua"
    script.write_text(requests.script())
    return script


def parse(out: str, err: str) -> tuple[float, int]:
    """What wrk printed. Raises WrkFailed."""
    found, total = _RATE.search(out), _TOTAL.search(out)
    failed = "; ".join(line[0] for line in _FAILED.finditer(out))
    if found is None or total is None or failed or int(total[1]) == 0:
        raise WrkFailed(failed or err or out or "wrk said nothing")
    return float(found[1]), int(total[1])
