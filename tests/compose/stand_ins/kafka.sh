#!/bin/bash
# What the official image does at its start, as far as we use it: KAFKA_A_B=c becomes a.b=c, the storage is formatted
# once, the broker runs in the foreground.
set -euo pipefail
config=/opt/kafka/config/server.properties
export KAFKA_LOG_DIRS=${KAFKA_LOG_DIRS:-/tmp/kraft-combined-logs}
env | grep '^KAFKA_' | grep -v -E '^KAFKA_(HEAP_OPTS|OPTS)=' | while IFS='=' read -r name value; do
	key=$(echo "${name#KAFKA_}" | tr 'A-Z_' 'a-z.')
	echo "$key=$value"
done >"$config"
# shellcheck disable=SC2206  # a list of options
java=(/opt/java/bin/java ${KAFKA_HEAP_OPTS:--Xmx512m} -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError -cp "/opt/kafka/libs/*")
if [ ! -e "$KAFKA_LOG_DIRS/meta.properties" ]; then
	"${java[@]}" kafka.tools.StorageTool format --cluster-id="${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}" -c "$config"
fi
exec "${java[@]}" kafka.Kafka "$config"
