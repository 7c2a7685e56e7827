"""`shardboard topics create`: the Kafka topics of a deployment that `up` does not run."""

from typing import Annotated

import typer

from shardboard.cli.options import Output, OutputOption

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def topics() -> None:
    """Kafka's topics, for a Kafka of your own: `shardboard up` makes them by itself."""


@app.command()
def create(
    partitions: Annotated[int, typer.Option(min=1, max=4096, help="Fixed for the life of the deployment.")] = 64,
    replication: Annotated[int, typer.Option(min=1, max=32, help="Copies of each action. Production needs 3.")] = 3,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create the topics `actions` and `actions.dead` as the engine needs them.

    They get LogAppendTime, 7 days of retention, no unclean election, and min ISR 2 with replication 3. Existing topics
    are checked and left as they are.

    Example:  SHARDBOARD_KAFKA=kafka-1:9092 shardboard topics create --partitions 64 --replication 3
    """
    import asyncio
    import json
    import os

    from aiokafka.errors import KafkaError

    from contracts.exit_codes import ExitCode
    from foundation.kafka_topics import check_topic, create_topics
    from foundation.service import Refused
    from foundation.settings import load_common
    from shardboard.command_error import CommandError

    common = load_common(os.environ)

    async def run() -> list[str]:
        created = await create_topics(common, partitions=partitions, replication=replication)
        await check_topic(common, common.actions_topic, partitions=partitions)
        return created

    try:
        created = asyncio.run(run())
    except Refused as error:
        raise CommandError(ExitCode.REFUSED, str(error)) from error
    except KafkaError as error:
        raise CommandError(ExitCode.FAILED, f"Kafka at {common.kafka} does not serve: {error}") from error
    if output is Output.JSON:
        typer.echo(json.dumps({"created": created, "partitions": partitions, "replication": replication}))
    elif created:
        typer.echo(f"created {', '.join(created)} on {common.kafka}")
    else:
        typer.echo("nothing to do: the topics exist")
    raise typer.Exit(ExitCode.OK if created else ExitCode.NOTHING_TO_DO)
