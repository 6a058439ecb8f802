"""What runs in the images of restic and of the database's clients: POSIX shell, since that is all they share."""

COMMON = r"""set -eu
: "${BACKUP_FOLDER:=/backup}" "${RESTORED_FOLDER:=/restored}" "${LOGIN_FOLDER:=/login}" "${TMPDIR:=/tmp}"
say() { echo "backup: $1"; }
refuse() { say "refused: $1" >&2; exit 1; }
locked() { [ -e "$LOGIN_FOLDER/ready" ] || refuse "$(cat "$LOGIN_FOLDER/refused" 2>/dev/null || echo 'nobody holds the lock')"; }
rehearsed() { [ "${RESTORE_DRY_RUN:-}" = true ]; }
# Before a restore, what is there is only kept if there is something.
skipped() { rehearsed || { [ "${BACKUP_BEFORE_RESTORE:-}" = true ] && [ ! -e "$RESTORED_FOLDER/.occupied" ]; }; }
postgresql() { export PGSERVICEFILE="$LOGIN_FOLDER/pg_service.conf" PGSERVICE=backup; }
mysql() { "$(command -v mariadb || command -v mysql)" --defaults-file="$LOGIN_FOLDER/my.cnf" "$(cat "$LOGIN_FOLDER/database")" "$@"; }
restic() {
    if [ -n "${BACKUP_SFTP:-}" ]; then
        command restic --retry-lock 10m -o sftp.args="$BACKUP_SFTP" "$@"
    else
        command restic --retry-lock 10m -o s3.bucket-lookup="${BACKUP_BUCKET_LOOKUP:-auto}" "$@"
    fi
}
# A folder of the snapshot that is meant, with restic's further options.
restore() {
    folder="$1"
    shift
    id="${RESTORE_SNAPSHOT:-latest}"
    if [ "$id" = latest ]; then set -- --host "$BACKUP_HOST" --tag backup "$@"; fi
    restic restore "$id:$folder" "$@"
}
forget() {
    restic forget --host "$BACKUP_HOST" --group-by host,tags --keep-daily "$BACKUP_DAILY" --keep-weekly "$BACKUP_WEEKLY" \
        --keep-monthly "$BACKUP_MONTHLY" --prune "$@"
}
# A dump of MySQL's: whoever loads it may not make triggers for somebody else.
without_definers() { sed '/^\/\*!50003 CREATE\*\//s/ \/\*!50017 DEFINER=`[^`]*`@`[^`]*`\*\///' "$1"; }
# 10 and 12: https://restic.readthedocs.io/en/stable/075_scripting.html#exit-codes
repository() {
    code=0
    command restic version >/dev/null
    restic cat config >/dev/null 2>"$TMPDIR/restic-error" || code=$?
    case $code in
    0 | 10) ;;
    12) refuse "the repository has another password than this deployment: see docs/backup.md" ;;
    *) cat "$TMPDIR/restic-error" >&2; exit "$code" ;;
    esac
}
"""
"""Read by all others."""

DUMP = r"""# The database as SQL, as of one moment.
. "${0%/*}/common.sh"
locked
if skipped; then exit 0; fi
if [ -e "$LOGIN_FOLDER/my.cnf" ]; then
    # One row per line, which the manifest counts.
    "$(command -v mariadb-dump || command -v mysqldump)" --defaults-file="$LOGIN_FOLDER/my.cnf" --single-transaction --quick \
        --skip-extended-insert --no-autocommit --skip-lock-tables --triggers --hex-blob --no-tablespaces \
        --result-file="$BACKUP_FOLDER/database.sql" "$(cat "$LOGIN_FOLDER/database")"
else
    postgresql
    pg_dump --format=plain --no-owner --no-privileges --no-comments --file="$BACKUP_FOLDER/database.sql"
fi
locked
"""

LOAD = r"""# The dump into the database, in the place of what is there.
. "${0%/*}/common.sh"
locked
if rehearsed; then exit 0; fi
dump="$RESTORED_FOLDER/database.sql"
if [ -e "$LOGIN_FOLDER/my.cnf" ]; then
    mysql --batch --skip-column-names --execute "SELECT CONCAT('DROP TABLE IF EXISTS \`', table_name, '\`;')
        FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'" >"$TMPDIR/drop.sql"
    { echo 'SET FOREIGN_KEY_CHECKS = 0;'; cat "$TMPDIR/drop.sql"
        without_definers "$dump"; } | mysql --binary-mode
else
    postgresql
    query() { psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"; }
    # A dump begins with settings of its session, of which an older server does not know those of newer clients.
    set -- -e ''
    for name in $(sed -n '/^CREATE /q; s/^SET \([a-z_]*\) = .*;$/\1/p' "$dump"); do
        known="$(query --tuples-only --no-align --command "SELECT current_setting('$name', true) IS NOT NULL")"
        [ "$known" = t ] || set -- "$@" -e "1,/^CREATE /{/^SET $name = /d;}"
    done
    # All or nothing: what is cut off is not committed.
    { echo 'BEGIN;'; cat "${0%/*}/drop.sql"; LC_ALL=C sed "$@" "$dump" && echo 'COMMIT;'; } | query --file=- >/dev/null
fi
locked
"""

DROP = r"""-- Everything of the schema that MLflow's tables are in, but nothing of extensions.
SET LOCAL client_min_messages = warning;
SELECT format('DROP TABLE %I.%I CASCADE', schemaname, tablename) FROM pg_tables WHERE schemaname = current_schema() \gexec
SELECT format('DROP SEQUENCE %I.%I CASCADE', schemaname, sequencename) FROM pg_sequences WHERE schemaname = current_schema() \gexec
SELECT format('DROP ROUTINE %s CASCADE', p.oid::regprocedure) FROM pg_proc p
WHERE p.pronamespace = current_schema()::regnamespace
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') \gexec
SELECT format('DROP TYPE %s CASCADE', t.oid::regtype) FROM pg_type t
WHERE t.typnamespace = current_schema()::regnamespace AND t.typtype = 'e'
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e') \gexec
"""

DRILL = r"""# The dump into a throw-away database, which listens on a socket only; then the rows of each table.
. "${0%/*}/common.sh"
dump="$RESTORED_FOLDER/database.sql" counts="$RESTORED_FOLDER/counts" data="$BACKUP_FOLDER/drill" tab="$(printf '\t')"
rm -rf "$data"
if [ "$BACKUP_ENGINE" = mysql ]; then
    server="$(command -v mariadbd || command -v mysqld)" client="$(command -v mariadb || command -v mysql)"
    if command -v mariadb-install-db >/dev/null; then
        mariadb-install-db --no-defaults --datadir="$data" --skip-test-db --auth-root-authentication-method=normal >"$TMPDIR/server.log" 2>&1
    else
        "$server" --no-defaults --initialize-insecure --datadir="$data" >"$TMPDIR/server.log" 2>&1
    fi || { cat "$TMPDIR/server.log" >&2; exit 1; }
    "$server" --no-defaults --datadir="$data" --socket="$TMPDIR/drill.sock" --pid-file="$TMPDIR/drill.pid" --skip-networking \
        --skip-log-bin --innodb-flush-log-at-trx-commit=0 >>"$TMPDIR/server.log" 2>&1 &
    query() { "$client" --no-defaults --socket="$TMPDIR/drill.sock" --user=root --default-character-set=utf8mb4 "$@"; }
    waited=0
    until query --execute 'SELECT 1' >/dev/null 2>&1; do
        waited=$((waited + 1))
        [ $waited -lt 120 ] && kill -0 $! 2>/dev/null || { cat "$TMPDIR/server.log" >&2; refuse 'the throw-away database does not start'; }
        sleep 1
    done
    query --execute 'CREATE DATABASE drill CHARACTER SET utf8mb4'
    without_definers "$dump" | query --binary-mode drill
    tables="$(query --batch --skip-column-names --execute "SELECT table_name FROM information_schema.tables WHERE table_schema = 'drill'")"
    for table in $tables; do
        echo "$table$tab$(query --batch --skip-column-names --execute "SELECT count(*) FROM \`$table\`" drill)"
    done >"$counts"
    kill $!
else
    command -v initdb >/dev/null || PATH="$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')"
    # A dump's rows, once on disk, are of no value here.
    initdb --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --no-sync >"$TMPDIR/server.log" || { cat "$TMPDIR/server.log" >&2; exit 1; }
    pg_ctl --pgdata="$data" --silent --wait --timeout=120 --log="$TMPDIR/server.log" \
        --options="-c listen_addresses='' -c unix_socket_directories='$TMPDIR' -c fsync=off -c full_page_writes=off" start \
        || { cat "$TMPDIR/server.log" >&2; refuse 'the throw-away database does not start'; }
    query() { env -u PGPASSWORD -u PGSSLMODE -u PGSERVICE PGHOST="$TMPDIR" PGPORT=5432 PGUSER=postgres PGDATABASE=drill psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"; }
    query --dbname=postgres --command 'CREATE DATABASE drill' >/dev/null
    query --file="$dump" >/dev/null
    tables="$(query --tuples-only --no-align --command "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")"
    for table in $tables; do
        schema="$(query --tuples-only --no-align --command "SELECT schemaname FROM pg_tables WHERE tablename = '$table' LIMIT 1")"
        echo "$table$tab$(query --tuples-only --no-align --command "SELECT count(*) FROM \"$schema\".\"$table\"")"
    done >"$counts"
    pg_ctl --pgdata="$data" --silent --mode=immediate stop
fi
rm -rf "$data"
"""

STORE = r"""# What was dumped, and the artifacts beside it, into the repository; read back, and old ones forgotten.
. "${0%/*}/common.sh"
locked
if skipped; then exit 0; fi
repository
if [ "$code" = 10 ]; then
    say 'the repository is new'
    restic init
fi
restic unlock
set -- "$BACKUP_FOLDER"
[ -z "${BACKUP_FILES:-}" ] || set -- "$BACKUP_FOLDER" "$BACKUP_FILES"
save() { restic backup --quiet --json --host "$BACKUP_HOST" --tag "$BACKUP_TAG" --exclude "$BACKUP_FOLDER/.dumped" "$@" >"$TMPDIR/saved"; }
code=0
save "$@" || code=$?
# 3: a file went away while it was read, such as an upload's.
if [ "$code" = 3 ]; then
    code=0
    save "$@" || code=$?
fi
[ "$code" = 0 ] || refuse "restic could not save everything (exit code $code)"
id="$(sed -n 's/.*"snapshot_id":"\([0-9a-f]*\)".*/\1/p' "$TMPDIR/saved")"
for file in "$BACKUP_FOLDER"/*; do
    [ "$(sha256sum <"$file")" = "$(restic dump "$id" "$file" | sha256sum)" ] || refuse "$file read back from snapshot $id differs"
done
locked
if [ "$BACKUP_TAG" = before-restore ]; then
    say "what was there is saved as snapshot $id"
    exit 0
fi
forget --quiet
restic check
echo "snapshot $id saved, and read back"
"""

FETCH = r"""# A snapshot's dump and manifest out of the repository.
. "${0%/*}/common.sh"
if [ "${BACKUP_DRILL:-}" != true ]; then locked; fi
repository
[ "$code" = 0 ] || refuse "there is no backup yet at $RESTIC_REPOSITORY"
if [ "${BACKUP_DRILL:-}" = true ]; then restic check --read-data-subset=10%; fi
if rehearsed; then set -- --include /manifest.json; fi
restore "$BACKUP_FOLDER" --target "$RESTORED_FOLDER" "$@"
"""

ARTIFACTS = r"""# The artifacts of the same snapshot; what is newer stays.
. "${0%/*}/common.sh"
locked
if rehearsed || [ "${RESTORE_ARTIFACTS:-true}" != true ]; then exit 0; fi
restore "$BACKUP_FILES" --target "$BACKUP_FILES" --overwrite if-changed
"""

FILES = {
    "common.sh": COMMON,
    "dump.sh": DUMP,
    "load.sh": LOAD,
    "drop.sql": DROP,
    "drill.sh": DRILL,
    "store.sh": STORE,
    "fetch.sh": FETCH,
    "artifacts.sh": ARTIFACTS,
}
"""All of them, by the names under which they find each other."""
