"""What the gateway's table holds of writing in bulk and of users' profiles."""

from gateway.access import TOKEN, WRITE_ANY
from gateway.app import Route
from gateway.http_action_batch import BatchEndpoint
from gateway.http_actions import ActionDesk
from gateway.http_bodies import BodyReader
from gateway.http_users import UserEndpoint


def writing_routes(desk: ActionDesk, bodies: BodyReader) -> list[Route]:
    """The routes. A batch is for services: a user's rate is counted by requests."""
    return [
        Route("POST", "/actions/batch", BatchEndpoint(desk, bodies), needs=WRITE_ANY, refuse=desk.refuse),
        Route("PUT", "/users/{id}", UserEndpoint(desk, bodies), needs=TOKEN, refuse=desk.refuse),
    ]
