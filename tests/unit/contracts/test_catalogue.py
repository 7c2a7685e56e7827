"""The catalogue says what each action is worth, and a wrong one is refused with its place and the rule."""

import pytest

from contracts.catalogue import ActionLimits, BadCatalogue, CatalogueEntry, TicketRule, parse_catalogue
from tests.tidy.sources import ROOT


def test_an_entry_has_points_description_and_limits() -> None:
    catalogue = parse_catalogue(
        '[actions.docs]\npoints = 5\ndescription = "Docs"\nlimits = { cap_per_day = 20, cooldown_s = 60 }'
    )
    assert catalogue == {"docs": CatalogueEntry("docs", 5, "Docs", ActionLimits(cap_per_day=20, cooldown_ms=60_000))}


def test_limits_may_be_left_out_or_given_one_by_one() -> None:
    catalogue = parse_catalogue("[actions.a]\npoints=1\n[actions.b]\npoints=1000000\nlimits={cooldown_s=1}")
    assert catalogue["a"].limits is None
    assert catalogue["b"].limits == ActionLimits(cap_per_day=None, cooldown_ms=1000)


def test_an_action_may_need_a_ticket() -> None:
    catalogue = parse_catalogue(
        "[actions.a]\npoints=1\nticket={after_s=5,valid_s=60}\n[actions.b]\npoints=1\nticket={valid_s=604800}"
    )
    assert catalogue["a"].ticket == TicketRule(after_ms=5_000, valid_ms=60_000)
    assert catalogue["b"].ticket == TicketRule(after_ms=0, valid_ms=604_800_000)


def test_the_default_catalogue_prices_the_sample() -> None:
    catalogue = parse_catalogue((ROOT / "actions.toml").read_text(encoding="utf-8"))
    priced = {name: entry.points for name, entry in catalogue.items()}
    assert {"commit": 10, "bugfix": 15, "docs": 5, "merge": 20, "release": 50}.items() <= priced.items()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "not TOML"),
        ("", "no action"),
        ("[actions]", "no action"),
        ("actions = 3", "no action"),
        ("[action.a]\npoints=1", "unknown top-level key 'action'"),
        ("[actions.a]", "actions.a.points = None must be a whole number from 1 to 1000000"),
        ("[actions.a]\npoints=0", "actions.a.points = 0"),
        ("[actions.a]\npoints=1000001", "actions.a.points = 1000001"),
        ("[actions.a]\npoints=1.0", "actions.a.points = 1.0"),
        ("[actions.a]\npoints=true", "actions.a.points = True"),
        ('[actions.a]\npoints="10"', "actions.a.points = '10'"),
        ("[actions.a]\npoints=1\npoint=2", "actions.a has unknown key 'point'"),
        ("[actions.A]\npoints=1", "action name 'A' must match"),
        ('[actions."a b"]\npoints=1', "action name 'a b' must match"),
        ("[actions]\na = 5", "actions.a must be a table"),
        ("[actions.a]\npoints=1\ndescription=7", "actions.a.description must be text"),
        ("[actions.a]\npoints=1\nlimits=7", "actions.a.limits may hold only"),
        ("[actions.a]\npoints=1\nlimits={cap=1}", "actions.a.limits may hold only"),
        ("[actions.a]\npoints=1\nlimits={cap_per_day=0}", "actions.a.limits.cap_per_day = 0"),
        ("[actions.a]\npoints=1\nlimits={cooldown_s=86401}", "actions.a.limits.cooldown_s = 86401"),
        ("[actions.a]\npoints=1\nticket=true", "actions.a.ticket may hold only"),
        ("[actions.a]\npoints=1\nticket={ttl_s=5}", "actions.a.ticket may hold only"),
        ("[actions.a]\npoints=1\nticket={}", "actions.a.ticket.valid_s = None"),
        ("[actions.a]\npoints=1\nticket={valid_s=604801}", "actions.a.ticket.valid_s = 604801"),
        ("[actions.a]\npoints=1\nticket={after_s=-1,valid_s=9}", "actions.a.ticket.after_s = -1"),
        ("[actions.a]\npoints=1\nticket={after_s=9,valid_s=9}", "after_s = 9 must be less than valid_s = 9"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(BadCatalogue) as refusal:
        parse_catalogue(text)
    assert told in str(refusal.value)
