"""Kafka, Valkey and PostgreSQL as child processes on loopback: what `shardboard up` and the tests run on.

Nothing but Python is needed: the servers come from wheels, Kafka's jars from a cache that is checked on every start."""
