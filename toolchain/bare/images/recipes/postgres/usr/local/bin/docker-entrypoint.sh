#!/bin/bash
# The part of the official image's entrypoint that its documentation promises: at the first start, make the data
# directory, the user and the database that POSTGRES_USER, POSTGRES_PASSWORD (or …_FILE) and POSTGRES_DB name, and run
# /docker-entrypoint-initdb.d; then become the server. Needs no rights but those of the user that it runs as.
set -euo pipefail

[ "${1:0:1}" != - ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" && chown postgres "$PGDATA" && chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=${POSTGRES_PASSWORD:-}
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(<"$POSTGRES_PASSWORD_FILE")
  user=${POSTGRES_USER:-postgres}
  if [ -z "$password" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
    echo "the database is not initialised and POSTGRES_PASSWORD is not set" >&2
    exit 1
  fi
  mkdir -p "$PGDATA" && { chmod 700 "$PGDATA" || true; }
  # initdb asks what its user is called, who may be any number that a cluster chose.
  if ! getent passwd "$(id -u)" >/dev/null; then
    names=$(mktemp --directory)
    echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$PGDATA:/bin/false" >"$names/passwd"
    echo "postgres:x:$(id -g):" >"$names/group"
    export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=$names/passwd NSS_WRAPPER_GROUP=$names/group
  fi
  # shellcheck disable=SC2086 # several options in one variable
  initdb --username="$user" --pwfile=<(printf '%s\n' "$password") --auth-local=trust \
    --auth-host=scram-sha-256 --encoding=UTF8 --set=listen_addresses='*' ${POSTGRES_INITDB_ARGS:-}
  echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait --options="-c listen_addresses='' -p 5432" start
  psql=(psql --set=ON_ERROR_STOP=1 --no-psqlrc --username="$user")
  database=${POSTGRES_DB:-$user}
  [ "$database" = postgres ] ||
    "${psql[@]}" --dbname=postgres --set=database="$database" <<<'CREATE DATABASE :"database";'
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) # shellcheck disable=SC1090
        . "$file" ;;
      *.sql) "${psql[@]}" --dbname="$database" --file="$file" ;;
    esac
  done
  pg_ctl --wait --mode=fast stop
  unset LD_PRELOAD
fi
exec "$@"
