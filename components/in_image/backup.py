"""The parts of backups, restores and drills that know MLflow: locks, logins, manifests, keys, and what a restore refuses.

Runs inside the MLflow image, between the clients of the database, which dump and load, and restic, which stores. Its command says
which part: `lock`, `dump-sqlite`, `manifest`, `check`, `load-sqlite`, `verify`, `drill`. One file although it is long: the parts
share the manifest, and are read together when a restore is refused at night.
"""

# Its imports are in the image, not here.
# pyright: reportMissingImports=false
from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import database_uri
import exclusive
from connecting import RefusalError

# What is dumped, and what was restored from the repository: folders that all containers of the pod share.
BACKUP = Path(os.environ.get("BACKUP_FOLDER", "/backup"))
RESTORED = Path(os.environ.get("RESTORED_FOLDER", "/restored"))
# In memory: how the database's clients log in, and whether the lock is held.
LOGIN = Path(os.environ.get("LOGIN_FOLDER", "/login"))
URI = os.environ.get("MLFLOW_BACKEND_STORE_URI", "")
DEPLOYMENT = os.environ.get("BACKUP_DEPLOYMENT", "")
NAMESPACE = os.environ.get("BACKUP_NAMESPACE", "")
SERVER = os.environ.get("BACKUP_SERVER", "")
LOCK_SECONDS = float(os.environ.get("BACKUP_LOCK_SECONDS", "900"))
KEYS = ("MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY")
# Without the first, users log in again; without the others, what they encrypt in the database is lost.
LASTING_KEYS = KEYS[1:]
HEADS = {"mlflow": "alembic_version", "auth": "alembic_version_auth"}
FORMAT = 1
SETTLE_SECONDS = 3.0


def say(text: str) -> None:
    print(f"backup: {text}", flush=True)


def given(name: str) -> bool:
    """Whether whoever started the Job has accepted this."""
    return os.environ.get(name, "") == "true"


def engine_name(uri: str = URI) -> str:
    """`sqlite`, `postgresql` or `mysql`."""
    dialect = database_uri.with_driver(uri).partition(":")[0].partition("+")[0]
    if dialect not in ("sqlite", "postgresql", "mysql"):
        raise RefusalError(
            f"a database of the dialect {dialect!r} cannot be dumped here; back it up by its server's own means"
        )
    return dialect


# --- the lock, and logins for the clients ---


def lock(restoring: bool) -> int:
    """Write the clients' login, hold the locks until the pod ends, and say in a file that they are held.

    It never fails by itself: the pod would wait for a sidecar that is started again and again. The next container finds the reason.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ready, refused = LOGIN / "ready", LOGIN / "refused"
    try:
        with contextlib.ExitStack() as stack:
            if given("RESTORE_DRY_RUN"):  # servers go on, and nothing is written
                ready.touch()
                signal.pause()
            write_login()
            checks = [stack.enter_context(exclusive.held(URI, "housekeeping", LOCK_SECONDS, say))]
            migration = stack.enter_context(contextlib.ExitStack())
            if engine_name() != "sqlite" and not given("BACKUP_WITHOUT_LOCK"):
                checks.append(migration.enter_context(exclusive.held(URI, "migration", LOCK_SECONDS, say)))
            if restoring:
                refuse_live_target()
            ready.touch()
            while True:
                time.sleep(1)
                # A plain `pulumi up` need not wait for the transfer of a dump that is complete.
                if not restoring and len(checks) > 1 and (BACKUP / ".dumped").exists():
                    migration.close()
                    del checks[1:]
                for check in checks:
                    check()
                if restoring:
                    refuse_server()
    except Exception as error:
        reason = (
            str(error)
            if isinstance(error, (RefusalError, exclusive.HeldError))
            else f"{type(error).__name__}: {_first_line(error)}"
        )
        say(f"refused: {reason}")
        refused.write_text(f"{reason}\n", encoding="utf-8")
        ready.unlink(missing_ok=True)
    while True:
        time.sleep(3600)


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else "no reason given"


def must_be_locked() -> None:
    """Refuse without the lock, with the reason of whoever should hold it."""
    if not (LOGIN / "ready").exists():
        reason = LOGIN / "refused"
        raise RefusalError(reason.read_text(encoding="utf-8").strip() if reason.exists() else "nobody holds the lock")


def write_login() -> None:
    """Files by which `psql` and `mariadb` reach the database that MLflow's URI names; in memory, for nobody else to read."""
    if engine_name() == "sqlite":
        return
    import sqlalchemy

    url = sqlalchemy.engine.make_url(database_uri.with_driver(URI))
    query = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    os.umask(0o077)
    if engine_name() == "postgresql":
        (LOGIN / "pg_service.conf").write_text(service_file(url, query), encoding="utf-8")
    else:
        (LOGIN / "my.cnf").write_text(option_file(url, query), encoding="utf-8")
        (LOGIN / "database").write_text(url.database or "", encoding="utf-8")


def service_file(url: Any, query: Mapping[str, str]) -> str:
    """What a URI says, as libpq reads it (https://www.postgresql.org/docs/current/libpq-pgservice.html); what it leaves open is in
    libpq's variables."""
    parts = {"host": url.host, "port": url.port, "dbname": url.database, "user": url.username, "password": url.password}
    options = {**{name: str(value) for name, value in parts.items() if value is not None}, **query}
    for name, value in options.items():
        if any(sign in value for sign in "\r\n\0") or value != value.rstrip():
            raise RefusalError(
                f"the {name} of the database's URI holds a line break or ends with white space, which libpq's service file cannot hold"
            )
    return "[backup]\n" + "".join(f"{name}={value}\n" for name, value in options.items() if name != "application_name")


def option_file(url: Any, query: Mapping[str, str]) -> str:
    """The same for MariaDB's and MySQL's clients: https://mariadb.com/docs/server/server-management/install-and-upgrade-mariadb/configuring-mariadb/configuring-mariadb-with-option-files."""
    login = {"user": url.username, "password": url.password}
    if "read_default_file" in query:  # PyMySQL's: quoted, and a password that it encodes as Latin-1
        text = Path(query["read_default_file"]).read_text(encoding="utf-8")
        login = dict(re.findall(r'^(user|password) = "(.*)"$', text, re.MULTILINE))
    if login["password"] is not None:
        with contextlib.suppress(UnicodeError):
            login["password"] = login["password"].encode("latin-1").decode("utf-8")
    options: dict[str, str | None] = {
        "host": url.host,
        "port": str(url.port or 3306),
        "protocol": "tcp",
        "default-character-set": "utf8mb4",
        **{name: quoted(value) for name, value in login.items() if value is not None},
    }
    # As `backend_store.py` translates the modes of encryption for PyMySQL, back again. `loose-`: each client knows its own.
    if query.get("ssl_disabled") == "true":
        options |= {"loose-skip-ssl": None, "loose-ssl-mode": "DISABLED"}
    elif "ssl_ca" in query:
        verified = query.get("ssl_check_hostname") != "false"
        options |= {"ssl-ca": query["ssl_ca"], "loose-ssl-mode": "VERIFY_IDENTITY" if verified else "VERIFY_CA"}
        options["loose-ssl-verify-server-cert" if verified else "loose-skip-ssl-verify-server-cert"] = None
    elif "ssl_check_hostname" in query or any(name.startswith("ssl") for name in query):
        options |= {"loose-ssl": None, "loose-ssl-mode": "REQUIRED", "loose-skip-ssl-verify-server-cert": None}
    else:
        options |= {"loose-skip-ssl-verify-server-cert": None}
    lines = [name if value is None else f"{name}={value}" for name, value in options.items()]
    dump = ["[mysqldump]", "loose-set-gtid-purged=OFF", "loose-column-statistics=0"]
    return "\n".join(["[client]", *lines, *dump, ""])


def quoted(value: str) -> str:
    """A value of an option file, which knows escapes within quotes."""
    if any(sign in value for sign in "\r\n\0"):
        raise RefusalError("user or password of the database holds a line break")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def connected(uri: str = URI) -> Any:
    """An engine that keeps no connection."""
    import sqlalchemy

    return sqlalchemy.create_engine(database_uri.patient(uri), poolclass=sqlalchemy.pool.NullPool)


_STOP = "stop the servers first: kubectl scale deployment --replicas=0 (and pause an autoscaler), then start the restore again"


def refuse_live_target() -> None:
    """A restore under a running server would be half-seen by it, and written over.

    Raises:
        RefusalError: The Service has a pod, or the database has sessions of servers.
    """
    refuse_server()
    if engine_name() == "sqlite":
        return
    deadline = time.monotonic() + SETTLE_SECONDS
    while count := exclusive.servers(connected()):
        if time.monotonic() > deadline:
            raise RefusalError(f"{count} session(s) of servers are open in the database; {_STOP}")
        time.sleep(0.5)


def refuse_server() -> None:
    if SERVER and answers(SERVER):
        raise RefusalError(f"{SERVER} answers: servers are running; {_STOP}")


def answers(address: str) -> bool:
    """Whether something accepts connections there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except OSError:
        return False
    return True


# --- dumps, and what is in them ---


def sqlite_file() -> Path:
    return Path(URI.removeprefix(exclusive.SQLITE))


def dump_sqlite(target: Path) -> None:
    """Copy the file page by page while a server may write to it: https://www.sqlite.org/backup.html."""
    source = sqlite_file()
    if not source.exists():
        raise RefusalError(f"there is no database {source} yet: start the server once")
    with (
        contextlib.closing(sqlite3.connect(source, timeout=60)) as database,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        database.backup(copy)


def summary(dump: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Rows of each table, and the heads of the schemas, read back from a dump.

    Raises:
        RefusalError: It is cut off, or holds no schema of MLflow.
    """
    rows, heads = _of_sqlite(dump) if dump.suffix == ".sqlite" else _of_text(dump)
    if "mlflow" not in heads:
        raise RefusalError(
            f"{dump.name} holds no schema of MLflow: the server has not made one yet, or this is another database"
        )
    return rows, heads


def _of_sqlite(dump: Path) -> tuple[dict[str, int], dict[str, str]]:
    with contextlib.closing(sqlite3.connect(dump)) as database:
        try:
            damage = database.execute("PRAGMA integrity_check").fetchall()
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608 - names of its own tables
        except sqlite3.DatabaseError as error:
            raise RefusalError(f"{dump.name} is damaged: {error}") from error
        if damage != [("ok",)]:
            raise RefusalError(f"{dump.name} is damaged: {damage[0][0]}")
        found = {
            key: database.execute(f"SELECT version_num FROM {table}").fetchone()  # noqa: S608 - the same
            for key, table in HEADS.items()
            if table in rows
        }
    return rows, {key: head[0] for key, head in found.items() if head}


_COPY = re.compile(rb'COPY (?:\S+\.)?"?(\w+)"? \(.*\) FROM stdin;\n')
_CREATE = re.compile(rb"CREATE TABLE (?:\S+\.)?[`\"]?(\w+)[`\"]? \(")
# With the names of columns where some are generated, by MySQL's client.
_INSERT = re.compile(rb"INSERT INTO `(\w+)` (?:\([^)]*\) )?VALUES \((.*)\);\n")


def _of_text(dump: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Both of a file of SQL: one line is one row, within COPY of PostgreSQL, and as one INSERT of MySQL each."""
    rows: dict[str, int] = {}
    heads: dict[str, str] = {}
    by_table = {table: key for key, table in HEADS.items()}
    table, last = "", b""
    with dump.open("rb") as file:
        for line in file:
            if line.strip():
                last = line
            if table:
                if line == b"\\.\n":
                    table = ""
                    continue
                rows[table] += 1
                if table in by_table:
                    heads[by_table[table]] = line.decode().strip()
            elif match := _COPY.fullmatch(line):
                table = match[1].decode()
                rows.setdefault(table, 0)
            elif match := _CREATE.match(line):
                rows.setdefault(match[1].decode(), 0)
            elif match := _INSERT.fullmatch(line):
                name = match[1].decode()
                rows[name] = rows.get(name, 0) + 1
                if name in by_table:
                    heads[by_table[name]] = match[2].decode().strip("'")
    complete = b"PostgreSQL database dump complete" in _tail(dump) or last.startswith(b"-- Dump completed")
    if table or not complete:
        raise RefusalError(f"{dump.name} is cut off: it does not end as a complete dump does")
    return rows, heads


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        return file.read()


def dump_in(folder: Path) -> Path:
    """The dump in a folder."""
    found = [path for path in (folder / "database.sql", folder / "database.sqlite") if path.exists()]
    if not found:
        raise RefusalError(f"there is no dump in {folder}: the container before has not written one")
    return found[0]


# --- the manifest ---


def manifest(folder: Path) -> None:
    """Write keys, the experiments' metadata, and what all this is, beside the dump."""
    dump = dump_in(folder)
    rows, heads = summary(dump)
    keys = {name: os.environ[name] for name in KEYS if name in os.environ}
    _write(folder / "keys.json", keys)
    _write(folder / "experiments.json", experiments())
    files = [dump, folder / "keys.json", folder / "experiments.json"]
    kept = os.environ.get("BACKUP_ARTIFACTS", "versions")
    # What is not on a volume is copied with the backups of the schedule alone: a rollback must not wait for copies that nobody makes.
    if kept == "scheduled" and os.environ.get("BACKUP_TAG", "backup") == "backup":
        kept = "copied"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    _write(
        folder / "manifest.json",
        {
            "format": FORMAT,
            "deployment": DEPLOYMENT,
            "namespace": NAMESPACE,
            "taken_at": now,
            "engine": engine_name(),
            "server_version": server_version(),
            "mlflow_version": mlflow_version(),
            "heads": heads,
            "rows": rows,
            "files": {path.name: {"sha256": sha256(path), "bytes": path.stat().st_size} for path in files},
            "keys": {name: fingerprint(name, value) for name, value in keys.items()},
            "artifacts": {"uri": os.environ.get("BACKUP_ARTIFACTS_URI", ""), "kept": kept, "at": now},
        },
    )
    (folder / ".dumped").touch()
    say(f"{sum(rows.values())} rows in {len(rows)} tables, schema {', '.join(f'{k} {v}' for k, v in heads.items())}")


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, default=str) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(name: str, value: str) -> str:
    """What tells whether a key is the same, and nothing else of it."""
    return hashlib.sha256(f"mlflow backup\0{name}\0{value}".encode()).hexdigest()[:16]


def mlflow_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    for package in ("mlflow", "mlflow-skinny"):
        with contextlib.suppress(PackageNotFoundError):
            return version(package)
    return "unknown"


def server_version() -> str:
    if engine_name() == "sqlite":
        return sqlite3.sqlite_version
    import sqlalchemy

    with connected().connect() as connection:
        return str(connection.execute(sqlalchemy.text("SELECT version()")).scalar())


def experiments() -> dict[str, list[dict[str, Any]]]:
    """Experiments with their tags and where their artifacts are, for people to read without a database."""
    import sqlalchemy

    found: dict[str, list[dict[str, Any]]] = {}
    with connected().connect() as connection:
        for table in ("experiments", "experiment_tags"):
            result = connection.execute(sqlalchemy.select(sqlalchemy.text("*")).select_from(sqlalchemy.table(table)))
            found[table] = [dict(row) for row in result.mappings()]
    return found


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of what was restored from the repository.

    Raises:
        RefusalError: There is none, or it is not readable here.
    """
    try:
        found = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusalError(
            f"the backup has no readable manifest.json ({type(error).__name__}): take another snapshot"
        ) from error
    if found.get("format") != FORMAT:
        raise RefusalError(
            f"the backup has the format {found.get('format')!r}, this version knows {FORMAT}: use the version that wrote it"
        )
    return found


# --- what a restore checks before anything is written ---


def check(folder: Path, restoring: bool) -> dict[str, Any]:
    """Whether a snapshot is what its manifest says, and may be restored here."""
    known = read_manifest(folder)
    if not given("RESTORE_DRY_RUN"):  # which has the manifest alone
        _refuse_damage(folder, known)
    if known["engine"] != engine_name():
        raise RefusalError(
            f"the backup is of {known['engine']}, and this database is {engine_name()}: restore it into a {known['engine']} database"
        )
    owner = f"{known['namespace']}/{known['deployment']}"
    if owner != f"{NAMESPACE}/{DEPLOYMENT}" and not given("RESTORE_OTHER_DEPLOYMENT"):
        fix = "choose another snapshot, or set RESTORE_OTHER_DEPLOYMENT=true"
        raise RefusalError(f"the backup is of {owner}, not of {NAMESPACE}/{DEPLOYMENT}; {fix}")
    say(
        f"backup of {owner} from {known['taken_at']}: {sum(known['rows'].values())} rows, MLflow {known['mlflow_version']}"
    )
    if restoring:
        _refuse_other_schema(known["heads"])
        _refuse_other_keys(known["keys"])
        _refuse_data(known["rows"])
    return known


def _refuse_damage(folder: Path, known: Mapping[str, Any]) -> None:
    for name, facts in known["files"].items():
        path = folder / name
        if not path.exists():
            raise RefusalError(f"{name} is missing in the backup: take another snapshot")
        if path.stat().st_size != facts["bytes"] or sha256(path) != facts["sha256"]:
            raise RefusalError(f"{name} is not what was backed up: its checksum differs; take another snapshot")
    rows, heads = summary(dump_in(folder))
    if rows != known["rows"] or heads != known["heads"]:
        raise RefusalError(
            f"the dump differs from its manifest: {_differences(known['rows'], rows)}; take another snapshot"
        )


def _refuse_other_schema(heads: Mapping[str, str]) -> None:
    import schemas

    for schema in (schemas.MLFLOW, schemas.AUTH):
        if schema.name not in heads:
            continue
        _, head = schemas.known_revisions(schema)
        if heads[schema.name] != head and not given("RESTORE_OTHER_SCHEMA"):
            fix = (
                "restore with the image that the backup was taken with, or set RESTORE_OTHER_SCHEMA=true: the next `pulumi up` then "
                "migrates what was restored, if it is older"
            )
            raise RefusalError(
                f"the backup has the {schema.name} schema {heads[schema.name]}, this image expects {head}; {fix}"
            )


def _refuse_other_keys(keys: Mapping[str, str]) -> None:
    differ = [name for name, known in keys.items() if fingerprint(name, os.environ.get(name, "")) != known]
    lost = [name for name in differ if name in LASTING_KEYS]
    if lost and not given("RESTORE_OTHER_KEYS"):
        fix = (
            "give the keys of the backup in `keys:` (they are in its keys.json: docs/backup.md), or set RESTORE_OTHER_KEYS=true and "
            "enter the gateway's and the webhooks' secrets anew"
        )
        raise RefusalError(f"this deployment has other keys than the backup: {', '.join(lost)}; {fix}")
    if differ:
        say(f"other keys than in the backup, accepted: {', '.join(differ)}")


def _refuse_data(backed_up: Mapping[str, int]) -> None:
    """What is there already is only replaced if that was asked for; a marker has it backed up first."""
    names = tables()
    if not names:
        return
    if not given("RESTORE_REPLACE"):
        fix = "restore into an empty database, or set RESTORE_REPLACE=true: what is there is backed up first, then replaced"
        raise RefusalError(f"the database holds {len(names)} tables ({', '.join(sorted(names)[:3])}, …); {fix}")
    _tell_what_is_newer(backed_up)
    if not given("RESTORE_WITHOUT_BACKUP"):
        (RESTORED / ".occupied").touch()


def _tell_what_is_newer(backed_up: Mapping[str, int]) -> None:
    try:
        now = counted()
    except Exception as error:  # a restore may be what mends it
        say(f"what is there now cannot be counted: {_first_line(error)}")
        return
    more = {name: count - backed_up.get(name, 0) for name, count in now.items() if count > backed_up.get(name, 0)}
    tables = f" ({', '.join(f'{name} {count}' for name, count in sorted(more.items()))})" if more else ""
    say(f"written since the backup, and replaced with it: {sum(more.values())} rows{tables}")


def tables() -> set[str]:
    """Tables of the target."""
    if engine_name() == "sqlite" and not sqlite_file().exists():
        return set()
    import sqlalchemy

    with connected().connect() as connection:
        return set(sqlalchemy.inspect(connection).get_table_names())


def load_sqlite(folder: Path) -> None:
    """Put the copy in the place of the file, in one step."""
    target = sqlite_file()
    fresh = target.with_name(f"{target.name}.restoring")
    fresh.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(dump_in(folder))) as copy,
        contextlib.closing(sqlite3.connect(fresh)) as database,
    ):
        copy.backup(database)
    _of_sqlite(fresh)
    # A log of the old file would be applied to the new one.
    for suffix in ("-wal", "-shm", "-journal"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    fresh.replace(target)


# --- whether what was restored is what was backed up ---


def verify(folder: Path) -> None:
    """Count the rows of the target."""
    found = counted()
    _compare(read_manifest(folder)["rows"], found)
    say(
        f"restored: {sum(found.values())} rows in {len(found)} tables, as in the backup; start the servers: `pulumi up`, or kubectl scale"
    )


def counted() -> dict[str, int]:
    """Rows of each table of the target."""
    if engine_name() == "sqlite":
        return _of_sqlite(sqlite_file())[0]
    import sqlalchemy

    with connected().connect() as connection:
        return {
            name: connection.execute(
                sqlalchemy.select(sqlalchemy.func.count()).select_from(sqlalchemy.table(name))
            ).scalar()
            or 0
            for name in sqlalchemy.inspect(connection).get_table_names()
        }


def drill(folder: Path) -> None:
    """Compare what the throw-away database holds with the manifest."""
    known = read_manifest(folder)
    if known["engine"] == "sqlite":
        found, _ = _of_sqlite(dump_in(folder))
    else:
        lines = (folder / "counts").read_text(encoding="utf-8").splitlines()
        found = {name: int(count) for name, count in (line.split("\t") for line in lines)}
    _compare(known["rows"], found)
    say(f"drill passed: backup of {known['taken_at']}, {sum(found.values())} rows in {len(found)} tables restored")


def _compare(known: Mapping[str, int], found: Mapping[str, int]) -> None:
    if different := _differences(known, found):
        raise RefusalError(f"what was restored is not what was backed up: {different}")


def _differences(known: Mapping[str, int], found: Mapping[str, int]) -> str:
    names = sorted({*known, *found})
    wrong: Iterator[str] = (
        f"{name} has {found.get(name, 'no table')} instead of {known.get(name, 'no table')}"
        for name in names
        if known.get(name) != found.get(name)
    )
    return ", ".join(wrong)


def main(command: str) -> int:
    try:
        if command in ("lock", "lock-restore"):
            return lock(restoring=command == "lock-restore")
        if command in ("dump-sqlite", "manifest", "check-restore", "load-sqlite"):
            must_be_locked()
        if given("RESTORE_DRY_RUN") and command != "check-restore":
            return 0
        # In a restore, what is there is only dumped if there is something, and it is to be kept.
        if (
            command in ("dump-sqlite", "manifest")
            and given("BACKUP_BEFORE_RESTORE")
            and not (RESTORED / ".occupied").exists()
        ):
            return 0
        if command == "dump-sqlite":
            dump_sqlite(BACKUP / "database.sqlite")
        elif command == "manifest":
            manifest(BACKUP)
        elif command in ("check", "check-restore"):
            check(RESTORED, restoring=command == "check-restore")
        elif command == "load-sqlite":
            load_sqlite(RESTORED)
        elif command == "verify":
            verify(RESTORED)
        elif command == "drill":
            drill(RESTORED)
    except RefusalError as refusal:
        say(f"refused: {refusal}")
        return 1
    except (OSError, sqlite3.Error) as error:
        if getattr(error, "errno", None) != errno.ENOSPC and "disk is full" not in str(error):  # the second is SQLite's
            raise
        say(f"refused: the volume is full ({_first_line(error)}); a dump must fit into backup.scratchSize")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
