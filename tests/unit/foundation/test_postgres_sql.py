"""Statements by name."""

import pytest

from foundation.postgres_sql import parse_statements, statements


def test_statements_are_found_by_name_without_the_head() -> None:
    text = "-- What this file holds.\n\n-- name: one\nSELECT 1\n\n-- name: two\n-- why\nSELECT 2\n"
    assert parse_statements(text, where="x.sql") == {"one": "SELECT 1", "two": "-- why\nSELECT 2"}


def test_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"x\.sql has two statements named one"):
        parse_statements("-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n", where="x.sql")


def test_packaged_files_are_found() -> None:
    assert "places" in statements("archiver", "archive.sql")
