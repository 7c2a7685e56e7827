"""While a transaction is under way, what comes next is decoded; and it is written only if that one was committed."""

import asyncio

import pytest

from archiver.place import Place, RawMark
from archiver.postgres_flight import Flight
from archiver.postgres_places import PositionMoved
from contracts.ids import LogMs, Offset, Partition
from tests.support.apply_model import LogRecord
from tests.support.archives import act

P = Partition(3)


def place_at(log_ms: int) -> Place:
    return Place(P, RawMark(Offset(0), LogMs(log_ms), None), Offset(0), 0)


async def test_what_is_decoded_meanwhile_follows_the_flight() -> None:
    """Log time never goes back: not either to where it stood before the records that are being written."""
    first, second = act(0), act(1)
    place, flight, done = place_at(first.timestamp), Flight(), asyncio.Event()
    later_ms = first.timestamp + 500
    arrivals = await flight.decode({P: place}, {P: [LogRecord(0, later_ms, None, first.value)]})

    async def write() -> None:
        await done.wait()

    flight.start(write(), arrivals)
    (follower,) = await flight.decode({P: place}, {P: [second]})
    assert second.timestamp < later_ms
    assert follower.entries[0].log_ms == follower.mark.log_ms == later_ms
    done.set()
    await flight.land()
    await flight.land()


async def test_failure_is_told_when_it_lands_and_the_place_is_followed_again() -> None:
    first, flight = act(0), Flight()
    place = place_at(first.timestamp)
    arrivals = await flight.decode({P: place}, {P: [LogRecord(0, first.timestamp + 500, None, first.value)]})

    async def write() -> None:
        raise PositionMoved("somebody else was here")

    flight.start(write(), arrivals)
    with pytest.raises(PositionMoved):
        await flight.land()
    (again,) = await flight.decode({P: place}, {P: [first]})
    assert again.mark.log_ms == first.timestamp


async def test_flight_that_is_given_up_ends_at_once() -> None:
    flight = Flight()
    flight.start(asyncio.Event().wait(), [])  # type: ignore[arg-type]
    await flight.cancel()
    await flight.cancel()
    flight.start(asyncio.sleep(0), [])
    await flight.land()
