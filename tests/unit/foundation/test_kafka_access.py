"""What Kafka's clients are made with; a real broker lets them in in tests/integration/foundation."""

import pytest

from foundation.env import BadSettings
from foundation.kafka_access import KafkaAddress, client_options
from foundation.settings import load_common

SASL = {
    "SHARDBOARD_KAFKA": "k1:9093,k2:9093",
    "SHARDBOARD_KAFKA_SECURITY": "sasl_ssl",
    "SHARDBOARD_KAFKA_USERNAME": "board",
    "SHARDBOARD_KAFKA_PASSWORD": "very-secret",
}


def test_a_plain_address_needs_nothing() -> None:
    assert client_options("k1:9092") == {"bootstrap_servers": "k1:9092", "security_protocol": "PLAINTEXT"}
    assert client_options(load_common({}).kafka)["security_protocol"] == "PLAINTEXT"


def test_tls_and_sasl_come_from_the_settings() -> None:
    address = load_common(SASL).kafka
    options = client_options(address)
    assert options.pop("ssl_context").check_hostname
    assert options == {
        "bootstrap_servers": "k1:9093,k2:9093",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "board",
        "sasl_plain_password": "very-secret",
    }


def test_an_address_prints_without_its_password() -> None:
    common = load_common(SASL)
    assert isinstance(common.kafka, KafkaAddress)
    assert f"{common.kafka}" == "k1:9093,k2:9093"
    assert "very-secret" not in repr(common) + repr(common.kafka.security) + repr([common.kafka])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"SHARDBOARD_KAFKA_USERNAME": ""}, "both of them"),
        ({"SHARDBOARD_KAFKA_PASSWORD": ""}, "both of them"),
        ({"SHARDBOARD_KAFKA_SECURITY": "ssl"}, "belong to sasl_plaintext and sasl_ssl"),
        ({"SHARDBOARD_KAFKA_SECURITY": "sasl_plaintext", "SHARDBOARD_ENV": "production"}, "needs sasl_ssl"),
        ({"SHARDBOARD_KAFKA_SASL_MECHANISM": "GSSAPI"}, "must be one of PLAIN"),
    ],
)
def test_settings_that_cannot_work_or_give_the_password_away_are_refused(changes: dict[str, str], told: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        load_common({**SASL, **changes})
    assert told in str(refusal.value)
    assert "very-secret" not in str(refusal.value)


def test_the_plaintext_password_may_be_accepted() -> None:
    load_common({
        **SASL, "SHARDBOARD_KAFKA_SECURITY": "sasl_plaintext", "SHARDBOARD_ENV": "production",
        "SHARDBOARD_ALLOW_INSECURE": "plaintext-passwords",
    })  # fmt: skip
