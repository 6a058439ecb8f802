#!/bin/bash
# The part of the official image's entrypoint that its documentation promises: at the first start, make the data
# directory, the root user, and the database and user that MARIADB_ROOT_PASSWORD, MARIADB_DATABASE, MARIADB_USER and
# MARIADB_PASSWORD (or …_FILE, or MYSQL_… instead) name, and run /docker-entrypoint-initdb.d; then become the server.
set -euo pipefail

[ "${1:0:1}" != - ] || set -- mariadbd "$@"
[ "$1" = mariadbd ] || [ "$1" = mysqld ] || exec "$@"
data=/var/lib/mysql
for argument in "$@"; do
  case $argument in --datadir=*) data=${argument#*=} ;; esac
done
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" && chown mysql "$data"
  exec setpriv --reuid=mysql --regid=mysql --clear-groups "$0" "$@"
fi

setting() {
  local name
  for name in "MARIADB_$1" "MYSQL_$1"; do
    local file="${name}_FILE"
    if [ -n "${!file:-}" ]; then cat "${!file}" && return; fi
    if [ -n "${!name:-}" ]; then printf %s "${!name}" && return; fi
  done
}

quoted() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

if [ ! -d "$data/mysql" ]; then
  root=$(setting ROOT_PASSWORD) database=$(setting DATABASE) user=$(setting USER) password=$(setting PASSWORD)
  random=${MARIADB_RANDOM_ROOT_PASSWORD:-${MYSQL_RANDOM_ROOT_PASSWORD:-}}
  if [ -z "$root" ] && [ -n "$random" ]; then
    root=$(head -c 24 /dev/urandom | base64)
  elif [ -z "$root" ] && [ -z "${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-}" ]; then
    echo "the database is not initialised and MARIADB_ROOT_PASSWORD is not set" >&2
    exit 1
  fi
  mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db
  socket=$data/.initialising.sock
  "$@" --skip-networking --socket="$socket" &
  server=$!
  until mariadb-admin --socket="$socket" --user=root ping >/dev/null 2>&1; do
    kill -0 "$server" || exit 1
    sleep 0.2
  done
  {
    [ -z "$database" ] || echo "CREATE DATABASE IF NOT EXISTS \`${database//\`/\`\`}\`;"
    if [ -n "$user" ]; then
      echo "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$password");"
      [ -z "$database" ] || echo "GRANT ALL ON \`${database//_/\\_}\`.* TO $(quoted "$user")@'%';"
    fi
    echo "CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY $(quoted "$root");"
    echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    echo "SET PASSWORD FOR root@localhost = PASSWORD($(quoted "$root"));"
  } | mariadb --socket="$socket" --user=root --binary-mode
  export MYSQL_PWD=$root
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) # shellcheck disable=SC1090
        . "$file" ;;
      *.sql) mariadb --socket="$socket" --user=root "$database" <"$file" ;;
    esac
  done
  mariadb-admin --socket="$socket" --user=root shutdown
  unset MYSQL_PWD
  wait "$server"
fi
exec "$@"
