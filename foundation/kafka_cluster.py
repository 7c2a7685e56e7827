"""The id that Kafka gave its cluster when it was formatted: it names the deployment."""

from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from foundation.kafka_access import client_options
from foundation.kafka_topics import check_topic
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused
from foundation.settings import CommonSettings

REQUEST_TIMEOUT_MS: Final = 10_000


async def cluster_id(bootstrap: str) -> str:
    """The cluster's id. Raises KafkaError when Kafka does not answer, Refused when it has no id (before 0.10.1)."""
    admin = AIOKafkaAdminClient(
        **client_options(bootstrap), request_timeout_ms=REQUEST_TIMEOUT_MS, client_id="shardboard-cluster"
    )
    try:
        await admin.start()
        found = (await admin.describe_cluster()).get("cluster_id")
    finally:
        await admin.close()
    if not found:
        raise Refused(f"Kafka at {bootstrap} tells no cluster id: version 2.0 or newer is needed")
    return str(found)


async def read_cluster_mark(common: CommonSettings) -> ClusterMark:
    """The mark that every store of this deployment bears. Raises KafkaError, or Refused when the topic is unsafe."""
    topic = await check_topic(common, common.actions_topic)
    return ClusterMark(
        deployment=await cluster_id(common.kafka),
        topic=common.actions_topic,
        partitions=topic.partitions,
        periods=common.calendar.spec,
        window_ms=common.rules.window_ms,
    )
