#!/bin/bash
# What the official image does at its start, as far as we use it: a cluster and a database, once, then the server.
set -euo pipefail
password=${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:?names no password}")}
user=${POSTGRES_USER:-postgres}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	mkdir -p "$PGDATA"
	# shellcheck disable=SC2086  # a list of options
	initdb -D "$PGDATA" -U "$user" --pwfile=<(printf '%s' "$password") --auth-local=trust ${POSTGRES_INITDB_ARGS:---auth-host=scram-sha-256}
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	pg_ctl -D "$PGDATA" -w start -o "-c listen_addresses='' -c unix_socket_directories=/tmp"
	createdb -h /tmp -U "$user" "${POSTGRES_DB:-$user}" 2>/dev/null || true
	pg_ctl -D "$PGDATA" -w -m fast stop
fi
exec "$@" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp
