"""The archiver as a part of the harness: rows, and rows with scores, against COPY."""

from collections.abc import AsyncIterator

from bench.archive_path import compare_archive
from bench.ground import Ground
from bench.paired import part_of
from bench.results import Part


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Both cases are measured in the same rounds."""
    sizes = ground.sizes
    found = await compare_archive(
        ground.new_folder("archive"), users=sizes.users, records=sizes.records, rounds=sizes.rounds, seed=ground.seed
    )
    for comparison in found:
        yield part_of("archive", comparison, settings={"users": sizes.users, "records": sizes.records})
