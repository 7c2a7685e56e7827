"""What an answer leads to (OpenAPI links), and which actions there are: for who explores, and for tests. Pure."""

from collections.abc import Iterable
from typing import Any, Final

Document = dict[str, Any]
_USER: Final = "$request.body#/user_id"
_ID: Final = "$response.body#/action_id"
_REASON: Final = "taken back"
_RANK: Final[Document] = {"operationId": "read_the_rank_of_a_user", "parameters": {"id": _USER}}
_AROUND: Final[Document] = {"operationId": "read_the_neighbours_of_a_user", "parameters": {"id": _USER}}
_LINKS: Final[dict[tuple[str, str, str], Document]] = {
    ("/actions", "post", "201"): {
        "rank": _RANK,
        "around": _AROUND,
        "again": {
            "operationId": "record_an_action",
            "description": "The same id is counted once.",
            "requestBody": {"user_id": _USER, "action": "$request.body#/action", "action_id": _ID},
        },
        "take back": {
            "operationId": "take_one_action_back",
            "requestBody": {"user_id": _USER, "action_id": _ID, "reason": _REASON},
        },
    },
    ("/tickets", "post", "201"): {
        "use": {
            "operationId": "record_an_action",
            "requestBody": {
                "user_id": "$response.body#/user_id",
                "action": "$response.body#/action",
                "ticket": "$response.body#/ticket",
            },
        },
    },
    ("/moderation/hide", "post", "201"): {
        "undo": {"operationId": "show_a_hidden_user_again", "requestBody": {"user_id": _USER, "reason": _REASON}},
        "rank": _RANK,
    },
    ("/moderation/unhide", "post", "201"): {"rank": _RANK},
    ("/moderation/adjust", "post", "201"): {"rank": _RANK, "around": _AROUND},
    ("/moderation/erase", "post", "201"): {"rank": _RANK},
}


def with_links(document: Document, actions: Iterable[str]) -> Document:
    """The document with links between its operations, and the names of the catalogue's actions where one is asked for.
    Links from and to operations that it does not have are left out."""
    paths = document["paths"]
    known = {each.get("operationId") for path in paths.values() for each in path.values()}
    for (path, method, status), links in _LINKS.items():
        answer = paths.get(path, {}).get(method, {}).get("responses", {}).get(status)
        if answer is not None:
            answer["links"] = {name: link for name, link in links.items() if link["operationId"] in known}
    names = sorted(actions)
    schemas = document["components"]["schemas"]
    for body in ("ActionBody", "TicketBody", "DemoBody"):
        if names and body in schemas:
            schemas[body]["properties"]["action"]["enum"] = names
    return document
