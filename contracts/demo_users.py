"""The people of the demo: they fill the board, and the page acts as them. Only where SHARDBOARD_DEMO=1."""

from dataclasses import dataclass
from typing import Final

from contracts.ids import UserId


@dataclass(frozen=True, slots=True)
class DemoUser:
    """One made-up person."""

    user_id: UserId
    name: str


def _user(short: str, name: str) -> DemoUser:
    return DemoUser(UserId(f"demo-{short}"), name)


DEMO_USERS: Final = (
    _user("ada", "Ada Okafor"),
    _user("amira", "Amira Haddad"),
    _user("anders", "Anders Lindqvist"),
    _user("beatriz", "Beatriz Carvalho"),
    _user("chidi", "Chidi Eze"),
    _user("dmitri", "Dmitri Volkov"),
    _user("elif", "Elif Yıldız"),
    _user("fatou", "Fatou Diallo"),
    _user("giulia", "Giulia Moretti"),
    _user("hana", "Hana Nováková"),
    _user("hiroshi", "Hiroshi Tanaka"),
    _user("ines", "Inés Castillo"),
    _user("jonas", "Jonas Müller"),
    _user("kalani", "Kalani Keahi"),
    _user("lena", "Lena Kowalska"),
    _user("linh", "Linh Nguyễn"),
    _user("mateo", "Mateo Rojas"),
    _user("meera", "Meera Iyer"),
    _user("noah", "Noah Williams"),
    _user("oksana", "Oksana Shevchenko"),
    _user("priya", "Priya Raman"),
    _user("seoyeon", "Kim Seo-yeon"),
    _user("tomas", "Tomás Ó Briain"),
    _user("wei", "Chen Wei"),
)
BY_ID: Final = {user.user_id: user for user in DEMO_USERS}
