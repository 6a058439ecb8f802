"""A real PgBouncer in transaction mode on this machine, in front of a PostgreSQL server."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support import postgresql, processes
from toolchain.bare import debian


@contextlib.contextmanager
def serve(server: postgresql.Server, database: postgresql.Database) -> Iterator[int]:
    """Run it for one database, without TLS towards its clients; yields its port.

    Args:
        server: The server behind it.
        database: Whose database, with its owner's name and password.
    """
    # Not pytest's own folder, which other users cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="mlflow-test-pgbouncer-"))
    try:
        with _running(server, database, folder) as port:
            yield port
    finally:
        shutil.rmtree(folder)
        folder.with_suffix(".log").unlink(missing_ok=True)


@contextlib.contextmanager
def _running(server: postgresql.Server, database: postgresql.Database, folder: Path) -> Iterator[int]:
    port = processes.free_port()
    behind = f"host={server.folder} port={server.port} dbname={database.name} user={database.name}"
    quoted = database.password.replace('"', '""')
    (folder / "users.txt").write_text(f'"{database.name}" "{quoted}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
{database.name} = {behind}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 20
ignore_startup_parameters = extra_float_digits
"""
    )
    user = postgresql.account()
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    program, environment = shutil.which("pgbouncer"), dict(os.environ)
    if program is None:
        # Its user cannot enter the cache of ours.
        root = folder / "programs"
        shutil.copytree(debian.unpack(["pgbouncer"]), root, symlinks=True)
        program, environment = str(root / "usr/sbin/pgbouncer"), debian.environment(root)
    command = [program, folder / "pgbouncer.ini"]
    log = folder.with_suffix(".log")
    with processes.running(
        command, log, user=user, env=environment, ready=lambda: processes.listens("127.0.0.1", port)
    ):
        yield port
