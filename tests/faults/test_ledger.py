"""The ledger survives a crash: what was begun and not settled is unknown."""

from pathlib import Path

from tests.faults.ledger import AHEAD, Ledger, read_ledger


def test_a_ledger_is_read_back_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger = Ledger(path)
    for number in range(4):
        ledger.begin(number)
    ledger.acknowledged(0, partition=3, offset=17)
    ledger.acknowledged(1, partition=3, offset=None)
    ledger.refused(2, "urn:x")
    ledger.unknown(3)
    ledger.close()
    with path.open("a") as file:
        file.write("5 ok 1 9")
    outcomes = read_ledger(path)
    assert outcomes.places == {0: (3, 17), 1: (3, None)}
    assert outcomes.refused == {2: "urn:x"}
    assert outcomes.unknown == set(range(3, AHEAD))
    again = Ledger(path)
    assert again.first_free == AHEAD
    again.close()
