"""Paths with one changing part, such as `/users/{id}/rank`: found by their fixed parts, that part decoded. Pure.

They are matched as the client sent them, before percent-decoding: an id may contain `/` as %2F.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

CHANGING: Final = "{id}"
PATH_BYTES_MAX: Final = 2_048
"""An id of 128 characters of four bytes, each percent-encoded, fits: it is refused as too long, not as unknown."""


class PathPatterns:
    """The patterns among some paths. Immutable."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Paths without a changing part are left out. Raises ValueError when one has two."""
        self._by_shape: dict[tuple[int, int], list[tuple[list[bytes], str]]] = {}
        for path in dict.fromkeys(paths):
            parts = path.split("/")
            if parts.count(CHANGING) > 1:
                raise ValueError(f"{path} has more than one {CHANGING}")
            if CHANGING in parts:
                place = parts.index(CHANGING)
                fixed = [part.encode() for part in (*parts[:place], *parts[place + 1 :])]
                self._by_shape.setdefault((len(parts), place), []).append((fixed, path))

    def find(self, raw_path: bytes) -> tuple[str, str] | None:
        """The pattern that a path as sent belongs to, and its changing part; None if there is none.

        The part is never empty; what is no UTF-8 becomes U+FFFD, which no id on a board contains by accident.
        """
        if len(raw_path) > PATH_BYTES_MAX:
            return None
        parts = raw_path.split(b"/")
        for (count, place), patterns in self._by_shape.items():
            if len(parts) != count or not parts[place]:
                continue
            fixed = [*parts[:place], *parts[place + 1 :]]
            for wanted, path in patterns:
                if fixed == wanted:
                    return path, unquote_to_bytes(parts[place]).decode(errors="replace")
        return None
