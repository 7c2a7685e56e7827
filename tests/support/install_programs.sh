#!/bin/sh
# Installs the programs that tests drive, from Debian, or prints the command where it may not. Leaves no service running.
set -eu

missing=""
for pair in chromium:chromium haproxy:haproxy redis-server:redis-server prometheus:prometheus wrk:wrk; do
	command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
if [ -z "$missing" ]; then
	echo "test-deps: chromium, haproxy, redis-server, prometheus and wrk are here"
	exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "test-deps: missing:$missing; on Debian or Ubuntu install them with"
	echo "  sudo apt-get install --no-install-recommends$missing"
	echo "Their services are not needed: the tests start what they use. Without a program its tests are skipped."
	exit 0
fi

# Debian starts a package's service after installing it, unless this file forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends $missing
