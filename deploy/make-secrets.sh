#!/bin/sh
# Makes the secrets that docker-compose.yml names, each once: existing ones stay. Usage: sh deploy/make-secrets.sh [FOLDER]
# On this machine the folder keeps others out; the files are readable in it, for each container has a user of its own.
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder"
for name in jwt_secret postgres_password grafana_password; do
	[ -s "$folder/$name" ] && continue
	head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$folder/$name.draft"
	chmod 444 "$folder/$name.draft"
	mv "$folder/$name.draft" "$folder/$name"
	echo "made $folder/$name"
done
