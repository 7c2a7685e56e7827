#!/bin/sh
# As the official image: a master process in the foreground, which passes SIGUSR1 on.
set -eu
[ "$1" = haproxy ] && shift
exec haproxy -W -db "$@"
