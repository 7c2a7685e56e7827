"""Moving a shard's partitions as a part of the harness: how fast, how long one partition pauses, and what a move does
to those who act and read meanwhile."""

from collections.abc import AsyncIterator

from bench import live_move
from bench.ground import Ground
from bench.move_path import compare_pauses, compare_rates
from bench.paired import part_of
from bench.results import Part


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Against copies that promise nothing."""
    users, rounds = ground.sizes.users, ground.sizes.rounds
    rates = await compare_rates(ground.new_folder("move"), users=users, rounds=rounds)
    yield part_of("move", rates, settings={"users": users})
    pauses = await compare_pauses(ground.new_folder("pause"), users=users, rounds=rounds)
    pauses.case, _, took = pauses.case.rpartition(" · ")  # a name that is the same in the next run
    yield part_of("move", pauses, settings={"users": users}, notes=(f"a pause of {took}, median",))
    async for part in live_move.run(ground):
        yield part
