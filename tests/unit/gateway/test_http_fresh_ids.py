"""Ids made in bulk are what `uuid.uuid4` would make."""

from uuid import UUID

from gateway.http_fresh_ids import FreshIds

MANY = 1_000


def test_ids_are_random_uuids_and_never_the_same() -> None:
    new_id = FreshIds()
    made = [new_id() for _ in range(MANY)]
    assert len(set(made)) == MANY
    for text in made:
        parsed = UUID(text)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, "specified in RFC 4122", text)
    assert {text[19] for text in made} == set("89ab")
