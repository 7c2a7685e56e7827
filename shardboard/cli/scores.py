"""`shardboard scores`: every user's score on one board, from the shards."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

import typer

from shardboard.cli.options import DataDirOption, RowOutput

if TYPE_CHECKING:
    from contracts.ids import PeriodId
    from foundation.settings import CommonSettings
    from shardboard.shard_reads import ScoreRow

app = typer.Typer()


@app.command()
def scores(
    period: Annotated[
        str, typer.Option("--period", "-p", help="all_time, daily, weekly, monthly, or an id such as daily:2026-11-24.")
    ] = "all_time",
    output: Annotated[RowOutput, typer.Option("--output", "-o", help="ndjson is a user per line.")] = RowOutput.NDJSON,
    shard: Annotated[str | None, typer.Option(help="Only the partitions that this shard owns.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print the score of every user on one board, in no order, read from the shards' Redis.

    Users who score meanwhile are shown before or after. Exits with 7 when a shard did not answer or a partition has no
    owner: what was printed is then not all.

    Example:  shardboard scores --period daily --output ndjson > scores.ndjson
    """
    import asyncio
    import os

    from contracts.clock import now_ms
    from contracts.exit_codes import ExitCode
    from contracts.ids import PeriodId
    from contracts.periods import BadPeriod
    from shardboard.cluster_map import load_cluster
    from shardboard.command_error import CommandError
    from shardboard.deployment import find_deployment
    from shardboard.shard_reads import ShardUnreachable

    common = load_cluster(find_deployment(data_dir, os.environ).environ)
    if shard is not None and shard not in {address.shard for address in common.shards}:
        known = ", ".join(address.shard for address in common.shards)
        raise CommandError(ExitCode.USAGE, f"--shard {shard}: the shards are {known}")
    try:
        is_kind = period in common.calendar.kinds
        wanted = common.calendar.current(period, now_ms()) if is_kind else common.calendar.parse(period)
    except BadPeriod as error:
        raise CommandError(ExitCode.USAGE, f"--period: {error}") from error
    try:
        asyncio.run(_print(common, PeriodId(wanted.id), only=shard, output=output))
    except ShardUnreachable as error:
        raise CommandError(ExitCode.UNKNOWN, str(error)) from error


async def _print(common: "CommonSettings", period: "PeriodId", *, only: str | None, output: RowOutput) -> None:
    import msgspec

    encoder = msgspec.json.Encoder()
    write = typer.get_binary_stream("stdout").write
    if output is RowOutput.JSON:
        write(b'{"period":%b,"scores":[' % encoder.encode(period))
        between = b"\n"
        async for rows in _rows(common, period, only=only):
            for row in rows:
                write(between + encoder.encode(row))
                between = b",\n"
        write(b"\n]}\n")
        return
    if output is RowOutput.TABLE:
        write(f"{'score':>16}  {'partition':>9}  {'scored at':<24}  user\n".encode())
    async for rows in _rows(common, period, only=only):
        if output is RowOutput.NDJSON:
            write(b"".join(encoder.encode(row) + b"\n" for row in rows))
        else:
            write("".join(_line(row) for row in rows).encode())


async def _rows(common: "CommonSettings", period: "PeriodId", *, only: str | None) -> AsyncIterator[list["ScoreRow"]]:
    from contracts.exit_codes import ExitCode
    from shardboard.command_error import CommandError
    from shardboard.shard_reads import Shards, find_owners

    async with Shards(common.shards) as shards:
        partitions = await shards.partitions() or await _partitions_of(common)
        owners = await find_owners(shards, partitions)
        for partition, owned in sorted(owners.items()):
            if only in (None, owned.shard):
                async for rows in shards.scores(owned.shard, partition, period=period):
                    yield rows
    ownerless = [str(number) for number in range(partitions) if number not in owners]
    if ownerless:
        raise CommandError(ExitCode.UNKNOWN, f"partitions without an owner were left out: {', '.join(ownerless)}")


async def _partitions_of(common: "CommonSettings") -> int:
    """P as Kafka has it, for shards that hold no word of it."""
    from aiokafka.errors import KafkaError

    from contracts.exit_codes import ExitCode
    from foundation.kafka_topics import describe_topic
    from shardboard.command_error import CommandError

    try:
        facts = await describe_topic(common.kafka, common.actions_topic)
    except KafkaError as error:
        raise CommandError(ExitCode.UNKNOWN, f"Kafka at {common.kafka} does not answer: {error}") from error
    if facts is None:
        raise CommandError(ExitCode.UNKNOWN, f"Kafka at {common.kafka} has no topic {common.actions_topic!r}")
    return facts.partitions


def _line(row: "ScoreRow") -> str:
    from datetime import UTC, datetime

    from shardboard.status.render import printable

    at = (
        f"{datetime.fromtimestamp(row.scored_at / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z" if row.scored_at else "-"
    )
    return f"{row.score:>16}  {row.partition:>9}  {at:<24}  {printable(row.user_id)}\n"
