"""What runs in PostgreSQL's container and in pgBackRest's: POSIX shell, since that is all they share."""

PGDATA = "/var/lib/postgresql/data/pgdata"
"""The server's data directory, on its claim."""
SOCKET = "/var/run/postgresql"
"""Where the server creates its socket."""

SCRIPTS = "/etc/mlflow/archive"
SHARED = "/mlflow/pgbackrest"
"""Where server and sidecar meet: `pushed` has a file for each segment that is archived, `wanted` one for each that the server asks for
while it recovers, `got` the answers; `backed-up` is as old as the last base backup."""
BACKUP_HOURS = 1
"""How often a base backup is taken, most of which hold changed files alone. The log since the last one is what a restore replays."""

COMMAND = f'timeout 20 sh -c "until [ -e {SHARED}/pushed/%f ]; do sleep 0.1; done"'
"""PostgreSQL tries a command that failed again, for ever, keeps the segment until then, and counts failures in `pg_stat_archiver`. The
time limit is for its end: it waits for this command before it stops."""

WAKE = "timeout 3 psql --quiet --username=postgres --command=CHECKPOINT || true"
"""To be run once a server has started. Until something wakes its checkpointer after that, which may take the five minutes of
`checkpoint_timeout`, no segment is closed because of `archive_timeout`: it looked whether to while the server was still recovering
(`CheckpointerMain` in https://github.com/postgres/postgres/blob/REL_17_STABLE/src/backend/postmaster/checkpointer.c). A server that cannot
be told so starts all the same."""

LOGIN = """if [ "${PGBACKREST_REPO1_TYPE:-}" = s3 ] && [ -z "${PGBACKREST_REPO1_S3_KEY:-}" ]; then
  if [ -n "${AWS_WEB_IDENTITY_TOKEN_FILE:-}" ]; then PGBACKREST_REPO1_S3_KEY_TYPE=web-id
  elif [ -n "${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ]; then PGBACKREST_REPO1_S3_KEY_TYPE=pod-id
  else PGBACKREST_REPO1_S3_KEY_TYPE=auto; fi
  export PGBACKREST_REPO1_S3_KEY_TYPE
fi
"""
"""How Amazon's identities arrive in a pod, which only the pod knows."""

_KEPT = """kept=$(pgbackrest info)
case $(printf '%s\\n' "$kept" | sed -n 's/^ *status: //p') in
  ok*) ;;
  'error (missing stanza path)') echo 'there is no backup yet'; exit 0 ;;
  *)
    # With a wrong password the message has bytes of what was not decrypted.
    printf '%s\\n' "$kept" | tr -cd '\\n -~'
    echo "No database can be restored from $PGBACKREST_REPO1_PATH, and none is made anew beside what is kept there: see docs/continuous.md."
    exit 1
    ;;
esac
"""
"""Goes on only if a base backup is kept, and ends well if nothing ever was."""

RESTORE = f"""set -eu
. {SCRIPTS}/login.sh
mkdir -p {SHARED}/pushed {SHARED}/wanted {SHARED}/got
if [ -s "$PGBACKREST_PG1_PATH/global/pg_control" ]; then exit 0; fi
{_KEPT}mkdir -p "$PGBACKREST_PG1_PATH"
chmod 700 "$PGBACKREST_PG1_PATH"
exec pgbackrest --delta --recovery-option='restore_command=sh {SCRIPTS}/fetch.sh %f %p' restore
"""
"""Asks for `pg_control`, which pgBackRest writes last: an interrupted restore goes on."""

FETCH = f"""cd {SHARED} || exit 255
rm -f "got/$1" "got/$1.missing" || exit 255
: >"wanted/$1" || exit 255
until [ -e "got/$1" ] || [ -e "got/$1.missing" ]; do sleep 0.05; done
[ -e "got/$1" ] || exit 1
mv "got/$1" "$OLDPWD/$2" || exit 255
"""
"""Runs in the server's container. To PostgreSQL, 1 means that the log ends here, and it begins to serve; 255 that it has to stop:
https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-PITR-RECOVERY."""

ARCHIVE = f"""set -u
. {SCRIPTS}/login.sh
trap 'exit 0' TERM INT
cd {SHARED} || exit 1
log=$PGBACKREST_PG1_PATH/pg_wal
until [ -s "$PGBACKREST_PG1_PATH/global/pg_control" ]; do sleep 1; done
# Refuses the archive of another server, and makes a new one.
until pgbackrest --no-online stanza-create; do sleep 10; done
while :; do
  for each in wanted/*; do
    [ -e "$each" ] || continue
    name=${{each#wanted/}}
    pgbackrest archive-get "$name" "$PWD/got/$name.part"
    case $? in
      0) rm -f "$each"; mv "got/$name.part" "got/$name" ;;
      1) rm -f "$each"; : >"got/$name.missing" ;;
      *) sleep 2 ;;
    esac
  done
  for each in pushed/*; do
    [ -e "$log/archive_status/${{each#pushed/}}.ready" ] || rm -f "$each"
  done
  for each in "$log"/archive_status/*.ready; do
    name=${{each##*/}}
    name=${{name%.ready}}
    if [ ! -e "$each" ] || [ -e "pushed/$name" ]; then continue; fi
    if ! pgbackrest archive-push "$log/$name"; then sleep 2; break; fi
    : >"pushed/$name"
  done
  sleep 0.1
done
"""

BACKUP = f"""set -u
. {SCRIPTS}/login.sh
trap 'kill $! 2>/dev/null; exit 0' TERM INT
touch {SHARED}/backed-up
while :; do
  until [ -S {SOCKET}/.s.PGSQL.5432 ]; do sleep 1; done
  kept=$(pgbackrest info | sed -n 's/.*full backup: \\([0-9]*\\)-.*/\\1/p' | tail -n 1)
  if [ "$kept" = "$(date +%Y%m%d)" ]; then type=incr; else type=full; fi
  pgbackrest --type=$type backup &
  if wait $!; then touch {SHARED}/backed-up; sleep {3600 * BACKUP_HOURS} & else sleep 10 & fi
  wait $!
done
"""
"""A full backup each day, and what has changed since the one before in each hour. pgBackRest takes one that was interrupted up again,
deletes what is older than the retention, and ends well only once the log that the backup needs has arrived."""

VERIFY = f"""set -eu
{LOGIN}{_KEPT}wrong() {{ echo "$1"; damaged=true; }}
number() {{ set -- "${{1#????????}}"; echo $((0x${{1%????????}} * 256 + 0x${{1#????????}})); }}
look() {{
  kept=$(pgbackrest info) && found=$(pgbackrest --log-level-console=detail verify) && printf '%s\\n' "$found" || return 1
  damaged='' of='' before='' stop='' parts='' backups=0
  while read -r line; do
    case $line in
      *'archiveId: '*', wal start: '*)
        start=${{line#*, wal start: }} start=${{start%%,*}} archive=${{line#*archiveId: }}
        # Each timeline has a log of its own, which begins where an earlier one has been or ended. Its number is what names of segments
        # begin with. Of the first one, the beginning has expired.
        archive=${{archive%%,*}} timeline=${{start%????????????????}}
        [ "$archive" = "$of" ] || {{ before='' reached=$(number "$start"); }}
        if [ "$timeline" = "$before" ] || [ $(number "$start") -gt $((reached + 1)) ]; then
          wrong "the log has a gap from $stop to $start"
        fi
        of=$archive before=$timeline stop=${{line##* }} parts="$parts $start:$stop"
        [ $(number "$stop") -le "$reached" ] || reached=$(number "$stop")
        ;;
      'wal start/stop: '*)
        needs=${{line#*: }} inside='' backups=$((backups + 1))
        for part in $parts; do
          if [ ! "${{part%:*}}" \\> "${{needs%% *}}" ] && [ ! "${{part#*:}}" \\< "${{needs##* }}" ]; then inside=true; fi
        done
        [ -n "$inside" ] || wrong "a base backup needs the log from ${{needs%% *}} to ${{needs##* }}, which is not there"
        ;;
      'status: error'*) wrong 'files are missing or damaged' ;;
    esac
  done <<END
$found
$kept
END
  [ -z "$damaged" ] || return 1
  echo "the archive is whole: base backups: $backups, end of the log: $stop"
}}
look || {{ echo 'looking once more, since what expires meanwhile seems to be missing'; look; }} || {{
  echo 'the archive is damaged, or cannot be read: see docs/continuous.md'
  exit 1
}}
"""
"""`verify` reads every file that is archived and compares its checksum. It ends well whatever it finds, and tells nothing of missing parts
of the log but where those that it has found begin and end:
https://github.com/pgbackrest/pgbackrest/blob/release/2.58.0/src/command/verify/verify.c."""
