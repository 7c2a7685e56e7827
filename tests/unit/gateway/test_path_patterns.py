"""Which pattern a path belongs to, and how its changing part reads."""

import pytest

from gateway.path_patterns import PathPatterns

PATTERNS = PathPatterns(["/users/{id}/rank", "/users/{id}", "/actions/{id}", "/leaderboard"])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/users/ada/rank", ("/users/{id}/rank", "ada")),
        (b"/users/ada", ("/users/{id}", "ada")),
        (b"/actions/1", ("/actions/{id}", "1")),
        (b"/users/a%2Fb%20%F0%9F%8E%89/rank", ("/users/{id}/rank", "a/b 🎉")),
        (b"/users/rank/rank", ("/users/{id}/rank", "rank")),
        (b"/users/%FF/rank", ("/users/{id}/rank", "\ufffd")),
        (b"/users//rank", None),
        (b"/users/", None),
        (b"/users/ada/rank/", None),
        (b"/users/ada/place", None),
        (b"/leaderboard", None),
        (b"/users/" + b"a" * 2_100, None),
    ],
)
def test_a_path_is_found_by_its_fixed_parts(raw: bytes, expected: tuple[str, str] | None) -> None:
    assert PATTERNS.find(raw) == expected


def test_two_changing_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="more than one"):
        PathPatterns(["/users/{id}/friends/{id}"])
