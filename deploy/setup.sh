#!/bin/sh
# Makes what the services need before they start: the topics in Kafka and the schema in Postgres. May be run again.
set -u

# 0: done. 6: nothing to do. 5: the server does not serve yet; it is asked again for about a minute, then given up.
repeat() {
	for _ in $(seq 1 30); do
		"$@"
		code=$?
		case $code in
		0 | 6) return 0 ;;
		5) sleep 2 ;;
		*) return $code ;;
		esac
	done
	return $code
}

repeat shardboard topics create --partitions "${PARTITIONS:-64}" --replication "${REPLICATION:-1}" &&
	repeat shardboard db upgrade
