"""What runs in the images of restic, of rclone and of the database's clients: POSIX shell, since that is all they share.

One module although it is long: what all begin with is in one of them.
"""

COMMON = r"""set -eu
: "${BACKUP_FOLDER:=/backup}" "${RESTORED_FOLDER:=/restored}" "${LOGIN_FOLDER:=/login}" "${TMPDIR:=/tmp}"
say() { echo "backup: $1"; }
refuse() { say "refused: $1" >&2; exit 1; }
locked() { [ -e "$LOGIN_FOLDER/ready" ] || refuse "$(cat "$LOGIN_FOLDER/refused" 2>/dev/null || echo 'nobody holds the lock')"; }
rehearsed() { [ "${RESTORE_DRY_RUN:-}" = true ]; }
# Whether artifacts stay as they are in a restore. `incomplete` is for those of a backup that were not copied to their end.
unwanted() { [ "${RESTORE_ARTIFACTS:-true}" != true ] && [ "$RESTORE_ARTIFACTS" != incomplete ]; }
# Before a restore, what is there is only kept if there is something.
skipped() { rehearsed || { [ "${BACKUP_BEFORE_RESTORE:-}" = true ] && [ ! -e "$RESTORED_FOLDER/.occupied" ]; }; }
postgresql() { export PGSERVICEFILE="$LOGIN_FOLDER/pg_service.conf" PGSERVICE=backup; }
# Not named as the program, which would then be found in its place.
in_mysql() { "$(command -v mariadb || command -v mysql)" --defaults-file="$LOGIN_FOLDER/my.cnf" "$(cat "$LOGIN_FOLDER/database")" "$@"; }
# With one row per line, which the manifest counts, and options of where.
postgresql_dump() { PGTZ=UTC pg_dump --format=plain --no-owner --no-privileges --no-comments "$@"; }
mysql_dump() {
    "$(command -v mariadb-dump || command -v mysqldump)" "$@" --single-transaction --quick --skip-extended-insert --no-autocommit \
        --skip-lock-tables --triggers --hex-blob --no-tablespaces
}
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
# The lines through a program of awk, where the image has one.
lines() {
    awk="$(command -v awk || command -v mawk || command -v gawk)" || { cat; return; }
    LC_ALL=C "$awk" "$1"
}
# A dump's rows by the thousand, or the megabyte, in one statement. One by one, each is a way to the server and back.
together() {
    lines 'BEGIN { ORS = "" }
        match($0, /^INSERT INTO `[^`]*` ([(][^)]*[)] )?VALUES [(]/) && /[)];$/ {
            into = substr($0, 1, RLENGTH - 1)
            row = substr($0, RLENGTH, length($0) - RLENGTH)
            if (into != last || rows == 1000 || size + length(row) > 1000000) {
                if (last != "") print ";\n"
                print into
                last = into; rows = size = 0
            } else print ",\n"
            print row
            rows++; size += length(row)
            next
        }
        {
            if (last != "") print ";\n"
            last = ""
            print $0 "\n"
        }
        END { if (last != "") print ";\n" }'
}
# A dump by MariaDB's client has values of generated columns, which MySQL does not take: columns are generated once their rows are there.
generated_later() {
    case "$(in_mysql --batch --skip-column-names --execute 'SELECT version()')" in *MariaDB*) cat; return ;; esac
    lines '/^CREATE TABLE `/ { split($0, name, "`"); table = name[2] }
        /^[)]/ { table = "" }
        table != "" && /^  `[^`]*` .* GENERATED ALWAYS AS [(].*[)] STORED/ {
            column = $0
            sub(/,$/, "", column)
            later = later "ALTER TABLE `" table "` MODIFY COLUMN" column ";\n"
            sub(/ GENERATED ALWAYS AS [(].*[)] STORED/, "")
        }
        { print }
        END { printf "%s", later }'
}
# Opens it by a command of restic's, each of which spends most of a second on the password.
# 10 and 12: https://restic.readthedocs.io/en/stable/075_scripting.html#exit-codes
repository() {
    code=0
    command restic version >/dev/null
    restic "$@" >/dev/null 2>"$TMPDIR/restic-error" || code=$?
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
    mysql_dump --defaults-file="$LOGIN_FOLDER/my.cnf" --result-file="$BACKUP_FOLDER/database.sql" "$(cat "$LOGIN_FOLDER/database")"
else
    postgresql
    postgresql_dump --file="$BACKUP_FOLDER/database.sql"
fi
locked
"""

LOAD = r"""# The dump into the database, in the place of what is there.
. "${0%/*}/common.sh"
locked
if rehearsed; then exit 0; fi
dump="$RESTORED_FOLDER/database.sql"
if [ -e "$LOGIN_FOLDER/my.cnf" ]; then
    in_mysql --batch --skip-column-names --execute "SELECT CONCAT('DROP TABLE IF EXISTS \`', table_name, '\`;')
        FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'" >"$TMPDIR/drop.sql"
    { echo 'SET FOREIGN_KEY_CHECKS = 0;'; cat "$TMPDIR/drop.sql"
        without_definers "$dump" | generated_later | together; } | in_mysql --binary-mode
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

DRILL = r"""# The dump into a throw-away database, which listens on a socket only; then the rows of each table, counted and compared.
. "${0%/*}/common.sh"
# What is loaded is dumped again: clients alter text that they take for another character set, and MySQL cuts what does not fit. Rows
# may come in another order from another version of a server; then each table's are compared without it.
compared() {
    [ "$(rows <"$dump" | sha256sum)" != "$(again | rows | sha256sum)" ] || return 0
    for table in $tables; do
        [ "$(rows "$table" <"$dump" | LC_ALL=C sort -T "$data" | sha256sum)" = \
            "$(again "$table" | rows "$table" | LC_ALL=C sort -T "$data" | sha256sum)" ] || refuse "the rows of $table are not those of the dump"
    done
}
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
    without_definers "$dump" | together | query --binary-mode drill
    tables="$(query --batch --skip-column-names --execute "SELECT table_name FROM information_schema.tables WHERE table_schema = 'drill'")"
    for table in $tables; do
        echo "$table$tab$(query --batch --skip-column-names --execute "SELECT count(*) FROM \`$table\`" drill)"
    done >"$counts"
    # A dump has -0.0 as -0, of which servers make 0 again. Twice, since what is between two of them belongs to both.
    rows() { LC_ALL=C grep -aE "^INSERT INTO \`${1:-.*}\` (\([^)]*\) )?VALUES " | LC_ALL=C sed 's/\([(,]\)-0\([,)]\)/\10\2/g; s/\([(,]\)-0\([,)]\)/\10\2/g'; }
    again() { mysql_dump --no-defaults --socket="$TMPDIR/drill.sock" --user=root --default-character-set=utf8mb4 --loose-column-statistics=0 \
        --loose-set-gtid-purged=OFF drill "$@"; }
    compared
    kill -KILL $!
    wait $! 2>/dev/null || :
else
    command -v initdb >/dev/null || PATH="$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')"
    # A dump's rows, once on disk, are of no value here.
    initdb --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --no-sync >"$TMPDIR/server.log" || { cat "$TMPDIR/server.log" >&2; exit 1; }
    pg_ctl --pgdata="$data" --silent --wait --timeout=120 --log="$TMPDIR/server.log" \
        --options="-c listen_addresses='' -c unix_socket_directories='$TMPDIR' -c fsync=off -c full_page_writes=off" start \
        || { cat "$TMPDIR/server.log" >&2; refuse 'the throw-away database does not start'; }
    unset PGPASSWORD PGSSLMODE PGSERVICE
    export PGHOST="$TMPDIR" PGPORT=5432 PGUSER=postgres PGDATABASE=drill
    query() { psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"; }
    query --dbname=postgres --command 'CREATE DATABASE drill' >/dev/null
    query --file="$dump" >/dev/null
    tables="$(query --tuples-only --no-align --command "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")"
    for table in $tables; do
        schema="$(query --tuples-only --no-align --command "SELECT schemaname FROM pg_tables WHERE tablename = '$table' LIMIT 1")"
        echo "$table$tab$(query --tuples-only --no-align --command "SELECT count(*) FROM \"$schema\".\"$table\"")"
    done >"$counts"
    rows() { LC_ALL=C sed -n "/^COPY ${1:+[^ ]*[.\"]$1\"* (}/,/^\\\\\\.\$/p"; }
    again() { postgresql_dump ${1:+--table="*.\"$1\""}; }
    compared
    pg_ctl --pgdata="$data" --silent --mode=immediate stop
fi
rm -rf "$data"
"""

STORE = r"""# What was dumped, and the artifacts beside it, into the repository; read back, and by schedule old ones forgotten.
. "${0%/*}/common.sh"
# Whoever copies artifacts waits for this.
trap 'touch "$BACKUP_FOLDER/.stored"' EXIT
locked
if skipped; then exit 0; fi
repository unlock
if [ "$code" = 10 ]; then
    say 'the repository is new'
    restic init
fi
set -- "$BACKUP_FOLDER"
[ -z "${BACKUP_FILES:-}" ] || set -- "$BACKUP_FOLDER" "$BACKUP_FILES"
save() { restic backup --quiet --json --host "$BACKUP_HOST" --tag "$BACKUP_TAG" --exclude "$BACKUP_FOLDER/.*" "$@" >"$TMPDIR/saved"; }
code=0
save "$@" || code=$?
# 3: a file went away while it was read, such as an upload's.
if [ "$code" = 3 ]; then
    code=0
    save "$@" || code=$?
fi
[ "$code" = 0 ] || refuse "restic could not save everything (exit code $code)"
id="$(sed -n 's/.*"snapshot_id":"\([0-9a-f]*\)".*/\1/p' "$TMPDIR/saved")"
# Together, since each of restic's commands spends most of a second on the password. Both are in the order of bytes.
[ "$(LC_ALL=C; export LC_ALL; cat "$BACKUP_FOLDER"/* | sha256sum)" = "$(restic dump "$id" "$BACKUP_FOLDER" | tar -xOf - | sha256sum)" ] \
    || refuse "what was read back from snapshot $id differs"
locked
if [ "$BACKUP_TAG" = before-restore ]; then
    say "what was there is saved as snapshot $id"
    exit 0
fi
# For an upgrade servers are stopped, and looking through the repository takes the longer, the more it holds.
if [ "$BACKUP_TAG" != before-upgrade ]; then
    forget --quiet
    [ -z "${BACKUP_COPIES:-}" ] || TZ=UTC restic snapshots --json --host "$BACKUP_HOST" | tr ',' '\n' | sed -n 's/.*"time":"\([-0-9T:]*\).*/\1/p' | sort | sed -n 1p >"$BACKUP_FOLDER/.oldest"
    restic check
fi
echo "snapshot $id saved, and read back"
"""

FETCH = r"""# A snapshot's dump and manifest out of the repository.
. "${0%/*}/common.sh"
# Some of the files beside the dump, to their ends: any, and the largest. restic compares each part with its checksum, and nothing is
# written. Names that JSON does not hold as they are, with quotes or line breaks, are left out.
read_back() {
    files="$TMPDIR/files" some=0 bytes=0
    restic ls --json --recursive --host "$BACKUP_HOST" --tag backup latest "$BACKUP_FILES" >"$files.listed"
    id="$(sed -n '1s/.*"id":"\([0-9a-f]*\)".*/\1/p' "$files.listed")"
    all="$(sed -n '/"type":"file"/p' "$files.listed" | wc -l)"
    sed -n 's/\\u0026/\&/g; s/\\u003c/</g; s/\\u003e/>/g; /\\/d
        s/.*"type":"file","path":"\(.*\)","uid":.*,"size":\([0-9]*\),"mode":.*/\2\t\1/p' "$files.listed" >"$files"
    { shuf -n 50 "$files"; sort -n "$files" | tail -n 5; } | LC_ALL=C sort -u | sort -n >"$files.some"
    while [ $bytes -lt 10737418240 ] && IFS="$(printf '\t')" read -r size path; do
        restic dump "$id" "$path" >/dev/null </dev/null || refuse "the artifact $path cannot be read back"
        some=$((some + 1)) bytes=$((bytes + size))
    done <"$files.some"
    say "$some of $((all)) artifacts read back, $bytes bytes"
}
if [ "${BACKUP_DRILL:-}" != true ]; then locked; fi
repository cat config
[ "$code" = 0 ] || refuse "there is no backup yet at $RESTIC_REPOSITORY"
if [ "${BACKUP_DRILL:-}" = true ]; then restic check --read-data-subset=10%; fi
if rehearsed; then set -- --include /manifest.json; fi
restore "$BACKUP_FOLDER" --target "$RESTORED_FOLDER" "$@"
if [ "${BACKUP_DRILL:-}" = true ] && [ -n "${BACKUP_FILES:-}" ]; then read_back; fi
"""

ARTIFACTS = r"""# The artifacts of the same snapshot; what is newer stays.
. "${0%/*}/common.sh"
locked
if rehearsed || unwanted; then exit 0; fi
restore "$BACKUP_FILES" --target "$BACKUP_FILES" --overwrite if-changed
"""

COPIES = r"""# Artifacts that are not on a volume: copied to where backups are, read back, or copied from there.
. "${0%/*}/common.sh"
found="$TMPDIR/found"
of_manifest() { sed -n "s/^ \"$2\": \"\(.*\)\",*$/\1/p" "$1/manifest.json"; }
# What there is in a folder; nothing if there is no such folder (3: https://rclone.org/docs/#exit-code).
list() {
    code=0
    rclone lsf "$@" >"$found" 2>"$found.error" || code=$?
    case $code in 0 | 3) ;; *) cat "$found.error" >&2; exit "$code" ;; esac
}
# The copies of a deployment. Their names are encrypted too, and rclone passes over those of another password.
open_copies() {
    export RCLONE_CONFIG_KEPT_REMOTE="$COPIES/$1"
    list kept:
    if grep -q undecryptable "$found.error"; then
        refuse 'the copies of artifacts have another password than this deployment: see docs/backup.md'
    fi
}
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
# Of which backup the artifacts were last copied to their end. Files are named by moments, a later one is greater, and hold when that was.
completed() {
    list --files-only kept:complete
    last="$(LC_ALL=C sort "$found" | sed -n '$p')"
}
complete() { now | rclone rcat "kept:complete/$1"; }
# Names that differ in how Unicode composes their letters are several, of which it would take one.
copying() { rclone --no-unicode-normalization --stats 1m --stats-one-line --stats-log-level NOTICE "$@"; }
# The store as it is now, by `sync` without what was deleted; what differs in the copies is put aside. Times are those at which the
# store was written to, here and as noted with the copies: a bucket's own time of a copy says nothing of what was read for it, and
# clocks differ. Each attempt puts aside in a folder of its own, where nothing replaces what an earlier one has put there.
transfer() {
    for again in '' -2 -3; do
        code=0
        copying "$1" "store,override.use_server_modtime=true:${ARTIFACTS#store:}" kept:current --backup-dir "kept:before/$2$again" \
            --modify-window 1s --retries 1 || code=$?
        [ "$code" != 0 ] || return 0
    done
    exit "$code"
}
keep() {
    if [ "$BACKUP_TAG" != backup ]; then
        say 'artifacts are copied with the backups of the schedule'
        return
    fi
    taken="$(of_manifest "$BACKUP_FOLDER" taken_at)"
    open_copies "$BACKUP_HOST"
    list "$ARTIFACTS"
    # Without artifacts there is no folder, but there is a bucket.
    [ "$code" = 0 ] || [ "$RCLONE_CONFIG_STORE_TYPE" = sftp ] || refuse "the store of artifacts is gone: $(cat "$found.error")"
    if [ ! -s "$found" ]; then
        list kept:current
        [ ! -s "$found" ] || refuse 'the store of artifacts is empty, and its copies are not: restore them, or delete them too'
        complete "$taken"
        say 'there are no artifacts yet'
        return
    fi
    transfer sync "$taken"
    locked
    complete "$taken"
    waited=0
    until [ -e "$BACKUP_FOLDER/.stored" ] || [ $waited -ge 3600 ]; do
        waited=$((waited + 1))
        sleep 1
    done
    if [ -s "$BACKUP_FOLDER/.oldest" ]; then
        oldest="$(cat "$BACKUP_FOLDER/.oldest")"
        list --dirs-only kept:before
        for folder in $(cat "$found"); do
            # What the oldest backup put aside, and those before it, belongs to no backup any more.
            expr "${folder%Z*}" '>' "$oldest" >/dev/null || rclone purge "kept:before/$folder"
        done
        list --files-only kept:complete
        for file in $(cat "$found"); do
            [ "$file" = "$taken" ] || expr "${file%Z}" '>' "$oldest" >/dev/null || rclone deletefile "kept:complete/$file"
        done
    fi
    say 'the artifacts are copied'
}
# What is restored, and whether it can be.
chosen() {
    if unwanted; then return 1; fi
    if ! grep -q '"kept": "copied"' "$RESTORED_FOLDER/manifest.json"; then
        say 'no artifacts were copied with this backup: the store stays as it is'
        return 1
    fi
    owner="$(of_manifest "$RESTORED_FOLDER" namespace)/$(of_manifest "$RESTORED_FOLDER" deployment)"
    taken="$(of_manifest "$RESTORED_FOLDER" taken_at)"
}
check_copies() {
    open_copies "$1"
    completed
    if [ -z "$last" ] || expr "$last" '<' "$2" >/dev/null; then
        reason="the artifacts of the backup from $2 were not copied to their end, last those from ${last:-none}"
        [ "${RESTORE_ARTIFACTS:-}" = incomplete ] || refuse "$reason: $3"
        say "$reason; restoring what there is"
    fi
}
restore_artifacts() {
    # What is there is kept, and is as new as its copy, unless nothing of what is replaced is to be saved.
    open_copies "$BACKUP_HOST"
    list "$ARTIFACTS"
    [ ! -s "$found" ] || [ "${RESTORE_WITHOUT_BACKUP:-}" = true ] || transfer copy "$(now)"
    open_copies "$owner"
    # What there was when the last of them was copied, but for clocks that differ. What was written later stays.
    list --files-only --include "/$taken" kept:complete
    then="$taken"
    [ ! -s "$found" ] || then="$(rclone cat "kept:complete/$taken")"
    then="$(date -u -d "$(echo "$then" | tr T ' ' | tr -d Z)" +%s)"
    then="$(date -u -d "@$((then + ${CLOCKS_DIFFER:-60}))" +%Y-%m-%dT%H:%M:%SZ)"
    # The latest first: of what was put aside several times, the first after the backup is what there was at its time. What it put aside
    # itself, in whatever attempt, was there no more.
    list --dirs-only kept:before
    set -- current
    for folder in $(sed 's|/$||' "$found" | LC_ALL=C sort -r); do
        if expr "${folder%Z*}" '>' "${taken%Z}" >/dev/null; then set -- "$@" "before/$folder"; fi
    done
    for folder in "$@"; do
        list "kept:$folder"
        [ ! -s "$found" ] || copying copy "kept:$folder" "$ARTIFACTS" --min-age "$then" --modify-window 1s \
            --exclude "*$RCLONE_PARTIAL_SUFFIX"
    done
    say 'the artifacts of the backup are in the store; what is newer stays'
}
read_back() {
    list --recursive --files-only --exclude '/complete/**' --exclude "*$RCLONE_PARTIAL_SUFFIX" kept:
    all=$(($(wc -l <"$found")))
    if [ -n "$1" ]; then
        shuf -n "$1" "$found" >"$found.some"
        mv "$found.some" "$found"
    fi
    [ ! -s "$found" ] || rclone cat --discard --files-from-raw "$found" kept:
    say "$(($(wc -l <"$found"))) of $all copied artifacts read back"
}
# What an upload to a volume or a server left that was killed is put aside as if it were an artifact.
export RCLONE_PARTIAL_SUFFIX=.mlflow-partial
# Encrypted names are longer, and file systems end at 255 bytes: so they hold names of up to 175, instead of 143.
export RCLONE_CONFIG_KEPT_TYPE=crypt RCLONE_CONFIG_KEPT_FILENAME_ENCODING=base64
RCLONE_CONFIG_KEPT_PASSWORD="$(printf %s "$COPIES_PASSWORD" | rclone obscure -)"
export RCLONE_CONFIG_KEPT_PASSWORD
if [ -n "${STORE_PASSWORD:-}" ]; then
    RCLONE_CONFIG_STORE_PASS="$(printf %s "$STORE_PASSWORD" | rclone obscure -)"
    export RCLONE_CONFIG_STORE_PASS
fi
case "$1" in
keep)
    locked
    keep
    ;;
check-restore)
    if chosen; then
        check_copies "$owner" "$taken" \
            'choose one until then, or set RESTORE_ARTIFACTS=incomplete to restore what there is, false for the database alone'
    fi
    ;;
restore)
    locked
    if ! rehearsed && chosen; then restore_artifacts; fi
    ;;
drill)
    check_copies "$BACKUP_HOST" "$(of_manifest "$RESTORED_FOLDER" taken_at)" 'see the log of the backup'
    read_back 100
    ;;
verify)
    open_copies "$BACKUP_HOST"
    completed
    [ -n "$last" ] || refuse 'no artifacts were ever copied to their end'
    read_back ''
    ;;
esac
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
    "copies.sh": COPIES,
}
"""All of them, by the names under which they find each other."""
