"""The page and its files, read into memory once, served through FastAPI under a strict Content-Security-Policy."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from gateway.board_bytes import matches

STATIC_FOLDER: Final = Path(__file__).parent / "static"
PAGE: Final = "index.html"
FILE_BYTES_MAX: Final = 1024 * 1024
"""The page has no build step and no pictures: anything larger is not ours."""
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file in memory."""

    data: bytes
    media_type: str
    etag: str


def read_files(folder: Path = STATIC_FOLDER) -> dict[str, StaticFile]:
    """Every file of the page by its name. Others than the page's own kinds are left out."""
    return {file.name: _read(file) for file in _own_kinds(folder.iterdir())}


def page_routes(files: dict[str, StaticFile]) -> APIRouter:
    """`/` and `/static/<name>`."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return _answer(request, files.get(PAGE))

    @router.api_route("/static/{name}", methods=["GET", "HEAD"])
    async def static(request: Request, name: str) -> Response:
        return _answer(request, files.get(name))

    return router


def _answer(request: Request, file: StaticFile | None) -> Response:
    if file is None:
        raise HTTPException(404)
    headers = {**SECURITY_HEADERS, "ETag": file.etag, "Cache-Control": "no-cache"}
    if matches(request.headers.get("if-none-match", "").encode("latin-1"), file.etag.encode()):
        return Response(status_code=304, headers=headers)
    return Response(file.data, media_type=file.media_type, headers=headers)


def _own_kinds(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if file.suffix in _TYPES and file.stat().st_size <= FILE_BYTES_MAX]


def _read(file: Path) -> StaticFile:
    data = file.read_bytes()
    return StaticFile(data, _TYPES[file.suffix], f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"')
