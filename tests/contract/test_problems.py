"""The problems of the HTTP interface: codes and statuses that clients rely on, and their documents."""

import json

from contracts import problems


def test_problem_codes_and_statuses_are_fixed() -> None:
    assert {kind.code: kind.status for kind in problems.ALL} == {
        "unauthenticated": 401,
        "forbidden": 403,
        "foreign-user": 403,
        "malformed-body": 422,
        "invalid-field": 422,
        "unknown-action": 422,
        "timestamp-outside-window": 422,
        "body-too-large": 413,
        "unsupported-media-type": 415,
        "method-not-allowed": 405,
        "not-found": 404,
        "unknown-period": 404,
        "rate-limited": 429,
        "idempotency-conflict": 409,
        "idempotency-mismatch": 422,
        "idempotency-unavailable": 503,
        "ticket-required": 422,
        "ticket-invalid": 422,
        "ticket-early": 422,
        "ticket-expired": 422,
        "action-not-archived": 404,
        "action-not-counted": 409,
        "archive-unavailable": 503,
        "body-too-slow": 408,
        "internal": 500,
        "log-unavailable": 503,
        "overloaded": 503,
        "shard-unavailable": 503,
        "board-unavailable": 503,
        "keys-unavailable": 503,
        "headers-too-slow": 408,
        "headers-too-large": 431,
        "malformed-request": 400,
    }


def test_a_problem_is_a_problem_document() -> None:
    body = problems.problem_body(
        problems.INVALID_FIELD, "too long", errors=(problems.FieldError("#/user_id", "at most 128 bytes"),)
    )
    assert json.loads(body) == {
        "type": "urn:shardboard:problem:invalid-field",
        "title": "A field is not valid",
        "status": 422,
        "detail": "too long",
        "errors": [{"pointer": "#/user_id", "detail": "at most 128 bytes"}],
    }
    assert problems.MEDIA_TYPE == "application/problem+json"
