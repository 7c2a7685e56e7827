"""Tickets and moderation are described with every refusal, and with the header that makes a repetition harmless."""

import msgspec

from contracts.tokens import SCOPE_MODERATE
from gateway.moderation import KINDS
from gateway.openapi_authority import AUTHORITY_STRUCTS, authority_paths


def test_every_operation_needs_a_token_and_lists_what_it_refuses() -> None:
    for path, operations in authority_paths().items():
        operation = operations["post"]
        assert operation["security"] == [{"bearerToken": []}], path
        assert {"201", "401", "403", "408", "413", "415", "422", "429", "500"} <= set(operation["responses"]), path
        assert "Retry-After" in operation["responses"]["429"]["headers"]


def test_moderation_says_its_scope_and_may_be_repeated_with_a_key() -> None:
    paths = authority_paths()
    for kind in KINDS:
        operation = paths[f"/moderation/{kind}"]["post"]
        assert SCOPE_MODERATE in operation["description"]
        assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]
        assert "409" in operation["responses"]


def test_a_void_may_find_nothing_and_the_others_do_not_ask() -> None:
    paths = authority_paths()
    found = {kind for kind in KINDS if "404" in paths[f"/moderation/{kind}"]["post"]["responses"]}
    assert found == {"void"}
    assert "action-not-archived" in paths["/moderation/void"]["post"]["responses"]["404"]["description"]


def test_every_body_has_a_name_of_its_own_and_no_other_members() -> None:
    _, schemas = msgspec.json.schema_components(AUTHORITY_STRUCTS, ref_template="{name}")
    assert len(schemas) == len(AUTHORITY_STRUCTS)
    bodies = [schema for name, schema in schemas.items() if name.endswith("Body")]
    assert len(bodies) == 4
    assert all(schema["additionalProperties"] is False for schema in bodies)
