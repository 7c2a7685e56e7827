#!/bin/bash
# The image's health check: is the service of this container ready? In bash, for it runs every few seconds in every
# container, where starting Python each time would cost a small machine a third of a core.
set -euo pipefail
address=${SHARDBOARD_ADMIN_LISTEN:?names no internal port}
exec 3<>"/dev/tcp/127.0.0.1/${address##*:}"
printf 'GET /health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r -t 3 _ status _ <&3
[ "$status" = 200 ]
