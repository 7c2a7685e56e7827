# Debian with the programs that the stand-ins share: balancer, monitoring, and the command line of Redis.
ARG BASE
FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends haproxy prometheus redis-server redis-tools wget ca-certificates && rm -rf /var/lib/apt/lists/*
