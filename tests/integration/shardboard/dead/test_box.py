"""The topic of marks."""

from contracts.ids import Offset
from foundation.kafka_topics import create_marks_topic
from shardboard.dead.box import DeadBox
from shardboard.dead.letters import Mark
from tests.integration.shardboard.dead.test_replay import letter
from tests.support.live_shards import Deployment


async def test_the_topic_of_marks_may_be_made_twice_and_keeps_its_marks(deployment: Deployment) -> None:
    number = await letter(deployment, b"bad", key=None)
    async with DeadBox(deployment.common) as box:
        await box.mark(await box.letter(number), Mark(state="dropped", at_ms=1))
    await create_marks_topic(deployment.common, deployment.settings["DEAD_TOPIC"] + ".handled")
    async with DeadBox(deployment.common) as box:
        assert box.marks == {Offset(number): Mark(state="dropped", at_ms=1)}
