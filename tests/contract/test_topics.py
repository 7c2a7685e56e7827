"""What the engine relies on in Kafka, and the token's words: values that deployments and clients already hold."""

from contracts import tokens, topics


def test_topic_names_and_settings_are_fixed() -> None:
    assert (topics.ACTIONS, topics.DEAD, topics.PARTITIONS_DEFAULT) == ("actions", "actions.dead", 64)
    assert topics.ACTIONS_CONFIG["message.timestamp.type"] == "LogAppendTime"
    assert topics.ACTIONS_CONFIG["unclean.leader.election.enable"] == "false"
    assert topics.ACTIONS_CONFIG["cleanup.policy"] == "delete"
    assert int(topics.ACTIONS_CONFIG["retention.ms"]) >= 7 * 86_400_000


def test_words_of_tokens_are_fixed() -> None:
    assert (tokens.ISSUER_DEFAULT, tokens.AUDIENCE_DEFAULT) == ("shardboard", "shardboard")
    assert tokens.SCOPES == ("actions:write:any", "actions:backfill", "moderate", "operate")
