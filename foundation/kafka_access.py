"""How every Kafka client of the project is let in: TLS and SASL from the environment, in one place."""

import ssl
from dataclasses import dataclass
from typing import Any, Final, Self

from foundation.env import Env
from foundation.insecure import PLAINTEXT_PASSWORDS, is_accepted

_PROTOCOLS: Final = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """What the brokers demand. Files are PEM; without a CA file the system's authorities are trusted."""

    protocol: str = "plaintext"
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    mechanism: str = "PLAIN"
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"KafkaSecurity({self.protocol})"


class KafkaAddress(str):
    """Bootstrap servers that know how their clients are let in. It prints as host:port, without any secret; a plain
    str is an address without security."""

    __slots__ = ("security",)
    security: KafkaSecurity

    def __new__(cls, bootstrap: str, security: KafkaSecurity) -> Self:
        """As the str `bootstrap`."""
        made = super().__new__(cls, bootstrap)
        made.security = security
        return made


def client_options(address: str) -> dict[str, Any]:
    """What every aiokafka client of these servers is made with. Raises OSError when a certificate cannot be read."""
    security = address.security if isinstance(address, KafkaAddress) else KafkaSecurity()
    options: dict[str, Any] = {
        "bootstrap_servers": str(address),
        "security_protocol": security.protocol.upper(),
    }
    if security.protocol.endswith("ssl"):
        context = ssl.create_default_context(cafile=security.ca_file or None)
        if security.cert_file:
            context.load_cert_chain(security.cert_file, security.key_file or None)
        options["ssl_context"] = context
    if security.protocol.startswith("sasl"):
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.password,
        }
    return options


def read_kafka(env: Env) -> KafkaAddress:
    """Read the address and what clients need, after ENV; faults are kept in `env`."""
    bootstrap = env.text("KAFKA", "127.0.0.1:9092", meaning="Kafka bootstrap servers, comma-separated host:port")
    security = KafkaSecurity(
        protocol=env.choice(
            "KAFKA_SECURITY", "plaintext", choices=_PROTOCOLS, meaning="how clients of Kafka are let in"
        ),
        ca_file=env.text("KAFKA_CA_FILE", "", meaning="PEM of the authority of Kafka's certificates; empty: system's"),
        cert_file=env.text("KAFKA_CERT_FILE", "", meaning="PEM of the certificate that clients show Kafka"),
        key_file=env.text("KAFKA_KEY_FILE", "", meaning="PEM of its key, if not in the same file"),
        mechanism=env.choice(
            "KAFKA_SASL_MECHANISM", "SCRAM-SHA-512", choices=_MECHANISMS, meaning="how the password is shown"
        ),
        username=env.text("KAFKA_USERNAME", "", meaning="SASL user"),
        password=env.secret("KAFKA_PASSWORD", "", meaning="SASL password"),
    )
    has_sasl = security.protocol.startswith("sasl")
    env.require(
        has_sasl == bool(security.username) == bool(security.password),
        f"SHARDBOARD_KAFKA_SECURITY = {security.protocol}: SHARDBOARD_KAFKA_USERNAME and SHARDBOARD_KAFKA_PASSWORD "
        "belong to sasl_plaintext and sasl_ssl, both of them",
    )
    is_open = security.protocol == "sasl_plaintext"
    env.require(
        not (is_open and env.read["ENV"].value == "production") or is_accepted(env, PLAINTEXT_PASSWORDS),
        "SHARDBOARD_KAFKA_SECURITY = sasl_plaintext shows the password to whoever listens; SHARDBOARD_ENV=production "
        f"needs sasl_ssl (SHARDBOARD_ALLOW_INSECURE={PLAINTEXT_PASSWORDS} accepts it)",
    )
    return KafkaAddress(bootstrap, security)
