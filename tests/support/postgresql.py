"""A real PostgreSQL server on this machine, reachable from pods, with TLS."""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support import certificates, processes
from toolchain.bare import debian

NOBODY = 65534
"""User to run as where the tests run as root, which PostgreSQL refuses."""

NASTY = "%/&@:'\" \\ü"
"""Characters that break passwords which are pasted into URLs, shells or connection strings."""


@dataclass(frozen=True)
class Database:
    """A database with its owner.

    Attributes:
        host: Address for pods.
        port: TCP port.
        name: Name of the database and of its owner.
        password: The owner's password.
        ca_certificate: Authority of the server's certificate.
    """

    host: str
    port: int
    name: str
    password: str
    ca_certificate: str

    def query(self, statement: str) -> list[Any]:
        """Run one statement as the owner, and fetch all rows if there are any."""
        return self.queries(statement)[0]

    def queries(self, *statements: str) -> list[list[Any]]:
        """The same of several in one session."""
        with psycopg.connect(
            host=self.host, port=self.port, dbname=self.name, user=self.name, password=self.password, autocommit=True
        ) as connection:
            done = [connection.execute(each) for each in statements]  # type: ignore[arg-type] - they are the tests' own
            return [cursor.fetchall() if cursor.description else [] for cursor in done]

    def dump(self) -> str:
        """Schema and rows, as SQL."""
        return self._client("pg_dump", "--no-owner", "--no-privileges")

    def load(self, dump: str) -> None:
        """Run what `dump` has given."""
        self._client("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", text=dump)

    def _client(self, program: str, *arguments: str, text: str | None = None) -> str:
        where = {"PGHOST": self.host, "PGPORT": str(self.port), "PGDATABASE": self.name, "PGUSER": self.name}
        folder, environment = clients()
        return subprocess.run(
            [folder / program, *arguments],
            env={**environment, **where, "PGPASSWORD": self.password, "PGSSLMODE": "require"},
            input=text,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout

    def end_sessions(self) -> None:
        """End every other session of its user."""
        others = "usename = current_user AND pid <> pg_backend_pid()"
        self.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


@dataclass(frozen=True)
class Server:
    """A running server; see `serve`."""

    host: str
    port: int
    folder: Path
    ca_certificate: str

    def database(self) -> Database:
        """Make an empty database, with an owner whose password is hard to quote."""
        made = Database(
            self.host, self.port, f"t{secrets.token_hex(4)}", secrets.token_hex(8) + NASTY, self.ca_certificate
        )
        name = sql.Identifier(made.name)
        self.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(made.password)))
        self.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
        return made

    def role(self, name: str, password: str, rights: str) -> None:
        """Make a user with rights that `CREATE ROLE` takes."""
        role = sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}")
        self.execute(role.format(sql.Identifier(name), sql.SQL(rights), sql.Literal(password)))  # type: ignore[arg-type]

    def administrator(self) -> str:
        """A command of a shell that runs a statement from its standard input as the superuser."""
        folder, environment = clients()
        options = [f"--host={self.folder}", f"--port={self.port}", "--username=postgres", "--set=ON_ERROR_STOP=1"]
        return processes.in_shell([folder / "psql", "--quiet", "--no-psqlrc", *options], environment)

    def query(self, database: str, statement: str) -> list[Any]:
        """Run one statement in a database as the superuser, and fetch all rows."""
        with psycopg.connect(host=str(self.folder), port=self.port, dbname=database, user="postgres") as connection:
            return connection.execute(statement).fetchall()  # type: ignore[arg-type] - statements are the tests' own

    def execute(self, statement: sql.Composed) -> None:
        """Run one statement as the superuser."""
        with psycopg.connect(host=str(self.folder), port=self.port, user="postgres", autocommit=True) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def connected(database: Database, application: str) -> Iterator[None]:
    """Hold a connection under an application's name."""
    with psycopg.connect(
        host=database.host,
        port=database.port,
        dbname=database.name,
        user=database.name,
        password=database.password,
        application_name=application,
    ):
        yield


def foreign_authority(host: str) -> str:
    """Certificate of an authority that has not signed the server's."""
    return certificates.make(host).authority


@contextlib.contextmanager
def serve(host: str, *names: str) -> Iterator[Server]:
    """Run a server with an empty data directory that refuses connections without TLS over the network.

    Args:
        host: Address of this machine at which pods reach it; also the name in the server's certificate.
        *names: Further names in it.
    """
    user = account()
    # Not pytest's own folder, which other users cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="mlflow-test-postgresql-"))
    try:
        found, environment = programs(folder)
        data, made = folder / "data", certificates.make(host, *names)
        data.mkdir(mode=0o700)
        for name, content in {"server.crt": made.certificate, "server.key": made.key}.items():
            (folder / name).write_text(content)
            (folder / name).chmod(0o600)
        folder.chmod(0o755)
        if user is not None:
            for path in (folder, data, folder / "server.crt", folder / "server.key"):
                os.chown(path, user, user)
        command = [found / "initdb", "--pgdata", data, "--username=postgres", "--auth=trust", "--no-sync"]
        subprocess.run(
            [*command, "--encoding=UTF8", "--locale=C.UTF-8"],
            check=True,
            capture_output=True,
            cwd="/",
            env=environment,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        # Local connections are this process; over the network only with TLS and a password.
        (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all all scram-sha-256\n")
        port = processes.free_port()
        settings = {
            "listen_addresses": "*",
            "port": port,
            "unix_socket_directories": folder,
            "ssl": "on",
            "ssl_cert_file": folder / "server.crt",
            "ssl_key_file": folder / "server.key",
            "log_statement": "none",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]

        def answers() -> bool:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(host=str(folder), port=port, user="postgres").close()
                return True
            return False

        server = [found / "postgres", "-D", data, *options]
        with processes.running(server, folder / "log", user=user, env=environment, ready=answers):
            yield Server(host, port, folder, made.authority)
    finally:
        shutil.rmtree(folder)


def account() -> int | None:
    """Who runs what refuses root; None for who runs the tests."""
    return NOBODY if os.geteuid() == 0 else None


def clients() -> tuple[Path, dict[str, str]]:
    """The folder of its clients for who runs the tests, and the environment to run them in."""
    return _installed() or _unpacked(debian.unpack(["postgresql"]))


def programs(folder: Path) -> tuple[Path, dict[str, str]]:
    """The folder of PostgreSQL's programs, and the environment to run them in."""
    if found := _installed():
        return found
    # Its own user cannot enter the cache of ours. The programs find their data by its place relative to their own.
    copy = folder / "programs"
    shutil.copytree(debian.unpack(["postgresql"]), copy, symlinks=True)
    return _unpacked(copy)


def _installed() -> tuple[Path, dict[str, str]] | None:
    """The programs of this machine, if it has them."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent, dict(os.environ)
    found = {shutil.which(program) for program in ("postgres", "initdb")}
    return None if None in found else (Path(shutil.which("postgres") or "").parent, dict(os.environ))


def _unpacked(root: Path) -> tuple[Path, dict[str, str]]:
    return next(root.glob("usr/lib/postgresql/*/bin")), debian.environment(root)
