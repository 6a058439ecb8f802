"""A real MariaDB server on this machine, reachable from pods, with TLS and a binary log."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from tests.support import certificates, processes
from tests.support.postgresql import NASTY
from toolchain.bare import debian

MYSQL = os.environ.get("MLFLOW_MYSQL")
"""A folder that stands for `/` with the programs of MySQL 8 or newer, to be tested instead; `/` for those of the system."""
_SMALL = {"loose-innodb-log-file-size": "16M", "innodb-buffer-pool-size": "64M"}


@dataclass(frozen=True)
class Database:
    """A database with a user who may do everything in it and nothing elsewhere.

    Attributes:
        host: Address for pods.
        port: TCP port.
        name: Name of the database and of its user.
        password: The user's password.
        ca_certificate: Authority of the server's certificate.
    """

    host: str
    port: int
    name: str
    password: str
    ca_certificate: str

    def connect(self) -> "pymysql.Connection[Any]":
        """A connection as the user."""
        # PyMySQL encodes passwords as Latin-1, the server has them in UTF-8.
        password = self.password.encode().decode("latin-1")
        return pymysql.connect(
            host=self.host,
            port=self.port,
            database=self.name,
            user=self.name,
            password=password,
            autocommit=True,
            ssl_verify_cert=False,
            ssl_verify_identity=False,
        )

    def query(self, statement: str) -> list[Any]:
        """Run one statement as the user, and fetch all rows."""
        return self.queries(statement)[0]

    def queries(self, *statements: str) -> list[list[Any]]:
        """The same of several in one session."""
        found: list[list[Any]] = []
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                found.append(list(cursor.fetchall()))
        return found

    def dump(self) -> str:
        """Schema and rows, as SQL; triggers belong to who loads it."""
        program = ["mysqldump", "--set-gtid-purged=OFF", "--no-tablespaces"] if MYSQL else ["mariadb-dump"]
        dump = self._client(*program, "--hex-blob", "--skip-lock-tables", self.name)
        return re.sub("DEFINER=`[^`]*`@`[^`]*`", "", dump)

    def load(self, dump: str) -> None:
        """Run what `dump` has given."""
        self._client("mysql" if MYSQL else "mariadb", self.name, text=dump)

    def _client(self, program: str, *arguments: str, text: str | None = None) -> str:
        root, environment = _served()
        where = [f"--host={self.host}", f"--port={self.port}", f"--user={self.name}", "--default-character-set=utf8mb4"]
        ssl = ["--ssl-mode=REQUIRED"] if MYSQL else ["--ssl"]
        return subprocess.run(
            [*(_loaded(root) if MYSQL else ()), root / "usr/bin" / program, "--no-defaults", *where, *ssl, *arguments],
            env={**environment, "MYSQL_PWD": self.password},
            input=text,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout

    def end_sessions(self) -> None:
        """End every other session of its user."""
        others = f"SELECT id FROM information_schema.processlist WHERE user = '{self.name}' AND id <> connection_id()"
        for (session,) in self.query(others):
            with contextlib.suppress(pymysql.err.OperationalError):  # it has ended meanwhile
                self.query(f"KILL CONNECTION {session}")


@dataclass(frozen=True)
class Server:
    """A running server; see `serve`."""

    host: str
    port: int
    socket: Path
    ca_certificate: str

    def database(self) -> Database:
        """Make an empty database, with a user whose password is hard to quote."""
        made = Database(
            self.host, self.port, f"t{secrets.token_hex(4)}", secrets.token_hex(8) + NASTY, self.ca_certificate
        )
        self.execute(f"CREATE DATABASE {made.name} CHARACTER SET utf8mb4")
        self.execute(f"CREATE USER {made.name}@'%%' IDENTIFIED BY %s", made.password)
        self.execute(f"GRANT ALL ON {made.name}.* TO {made.name}@'%%'")
        return made

    def administrator(self) -> str:
        """A command of a shell that runs a statement from its standard input as the owner of the server."""
        root, environment = _programs()
        options = ["--no-defaults", f"--socket={self.socket}", "--user=root", "--skip-column-names"]
        return processes.in_shell([root / "usr/bin/mariadb", *options], environment)

    def kill(self) -> None:
        """End it as a lost node does."""
        os.kill(int((self.socket.parent / "pid").read_text()), signal.SIGKILL)

    def execute(self, statement: str, *values: str) -> list[Any]:
        """Run one statement as the owner of the server, and fetch all rows."""
        local = pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)
        with contextlib.closing(local), local.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())


@contextlib.contextmanager
def serve(host: str, *names: str, returns: bool = False, log: Path | None = None) -> Iterator[Server]:
    """Run a server with an empty data directory that refuses connections without TLS over the network.

    Args:
        host: Address of this machine at which pods reach it; also the name in the server's certificate.
        *names: Further names in it.
        returns: Whether it is started again when it was killed, as a pod is.
        log: Folder of the binary log; beside the data if None.
    """
    folder = Path(tempfile.mkdtemp(prefix="mlflow-test-mariadb-"))
    try:
        root, environment = _served()
        data, socket, made = folder / "data", folder / "socket", certificates.make(host, *names)
        for name, content in {"server.crt": made.certificate, "server.key": made.key}.items():
            (folder / name).write_text(content)
            (folder / name).chmod(0o600)
        own = _options(
            basedir=root / "usr",
            datadir=data,
            # A server that starts deletes what it takes for its own temporary tables of before, of all servers that share the folder.
            tmpdir=folder,
            plugin_dir=root / "usr/lib/mysql/plugin",
            lc_messages_dir=root / "usr/share/mysql",
            **({"user": "root"} if os.geteuid() == 0 else {}),
            **_SMALL,
        )
        if MYSQL:
            program = [*_loaded(root), root / "usr/sbin/mysqld", "--no-defaults"]
            own += ["--secure-file-priv=", "--mysqlx=OFF"]
            install = [*program, *own, "--initialize-insecure"]
        else:
            program = [root / "usr/sbin/mariadbd", "--no-defaults"]
            install = [root / "usr/bin/mariadb-install-db", "--no-defaults", *own]
            install += ["--skip-test-db", "--auth-root-authentication-method=normal"]
        subprocess.run(
            install,
            check=True,
            capture_output=True,
            cwd=root / "usr",
            env=environment,
        )
        port = processes.free_port()
        settings = _options(
            bind_address="*",
            port=port,
            socket=socket,
            pid_file=folder / "pid",
            ssl_cert=folder / "server.crt",
            ssl_key=folder / "server.key",
            require_secure_transport="ON",
            # As clouds run it; the second lets the schema of MLflow have its trigger.
            log_bin=(log or folder) / "binlog",
            log_bin_trust_function_creators="ON",
            skip_name_resolve="ON",
            character_sets_dir=root / "usr/share/mysql/charsets",
        )

        def answers() -> bool:
            with contextlib.suppress(pymysql.OperationalError):
                pymysql.connect(unix_socket=str(socket), user="root").close()
                return True
            return False

        server = [*program, *own, *settings]
        if returns:
            server = ["sh", "-c", 'while :; do "$@"; done', "sh", *server]
        # It takes no SIGINT, and what it would write down at its end is thrown away.
        with processes.running(server, folder / "log", env=environment, ready=answers, end=signal.SIGKILL):
            yield Server(host, port, socket, made.authority)
    finally:
        shutil.rmtree(folder)


def _options(**values: object) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def installed(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """MariaDB's clients and server for programs that expect them to be installed, as in an image: folders of `PATH`, and further variables.

    Args:
        folder: Takes what tells the programs where they are, if they are unpacked only.
    """
    root, environment = _programs()
    found = [root / "usr/bin", root / "usr/sbin"]
    if root == Path("/"):
        return found, {}
    where = _options(
        basedir=root / "usr",
        plugin_dir=root / "usr/lib/mysql/plugin",
        lc_messages_dir=root / "usr/share/mysql",
        character_sets_dir=root / "usr/share/mysql/charsets",
        **({"user": "root"} if os.geteuid() == 0 else {}),
    )
    folder.mkdir()
    for program in ("bin/mariadb-install-db", "sbin/mariadbd"):
        wrapper = folder / Path(program).name
        wrapper.write_text(f'#!/bin/sh\nexec {root / "usr" / program} "$@" {" ".join(where)}\n')
        wrapper.chmod(0o755)
    (plugins,) = root.glob("usr/lib/*-linux-gnu*/libmariadb3/plugin")
    return [folder, *found], {"LD_LIBRARY_PATH": environment["LD_LIBRARY_PATH"], "MARIADB_PLUGIN_DIR": str(plugins)}


def _served() -> tuple[Path, dict[str, str]]:
    """The same of the server that is tested, with clients of its own kind."""
    return _programs() if MYSQL is None else (Path(MYSQL), dict(os.environ))


def _loaded(root: Path) -> list[Path | str]:
    """What runs a program of the folder with the libraries that are in it."""
    if root == Path("/"):
        return []
    (loader,) = root.glob("lib64/ld-linux-*")
    libraries = [*root.glob("usr/lib/*-linux-gnu*"), root / "usr/lib/mysql/private"]
    return [loader, "--library-path", ":".join(map(str, libraries))]


def _programs() -> tuple[Path, dict[str, str]]:
    """The folder that stands for `/` with MariaDB's programs, and the environment to run them in."""
    if Path("/usr/sbin/mariadbd").exists():
        return Path("/"), dict(os.environ)
    root = debian.unpack(["mariadb-server"])
    return root, debian.environment(root)
