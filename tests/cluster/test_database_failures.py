"""Databases that vanish without a word, and poolers in front of them: real servers, and what the component renders, without pods."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import failover, mariadb, networks, pgbouncer, postgresql, rendered

pytestmark = pytest.mark.extended

SILENCE = 6
VOLUME = {"volume": {"accessMode": "ReadWriteMany"}}


@pytest.fixture(scope="module")
def postgres() -> Iterator[postgresql.Server]:
    with postgresql.serve("127.0.0.1") as server:
        yield server


@pytest.fixture(scope="module")
def maria() -> Iterator[mariadb.Server]:
    with mariadb.serve("127.0.0.1") as server:
        yield server


@pytest.fixture(scope="module")
def failed_over(
    postgres: postgresql.Server, maria: mariadb.Server, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, failover.Result]:
    """Both engines at once. The silence outlasts the timeout, so that new connections fail as well for some time."""
    folder = tmp_path_factory.mktemp("failover")
    with (
        networks.network() as network,
        failover.serving(network, "postgresql", postgres.database(), folder, silence=SILENCE, users=True) as first,
        failover.serving(network, "mysql", maria.database(), folder, silence=SILENCE, users=False) as second,
    ):
        clients = {"postgresql": first, "mysql": second}
        return failover.fail_over(network, clients, per_second=2, silent=SILENCE + 4, after=15)


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_every_request_ends_when_the_host_vanishes_and_the_pool_heals(
    failed_over: dict[str, failover.Result], engine: str
) -> None:
    result = failed_over[engine]
    assert [each for each in result.answers if each.sent + each.seconds < 0 and each.status != 200] == []
    assert result.longest < failover.LIMIT, result
    assert result.healed, result
    # Connections that were lost are noticed, and those that are tried meanwhile give up within their own ten seconds; so much again
    # is left to a machine that does other things as well.
    assert result.first_success < 2 * SILENCE + 4 + 20, result
    # What is lost is told so that clients try again.
    assert {each.status for each in result.lost} <= {503}, result


def test_a_valid_user_is_told_503_and_a_wrong_password_401(failed_over: dict[str, failover.Result]) -> None:
    result = failed_over["postgresql"]
    assert {each.status for each in result.others.values()} <= {200, 503}, result
    assert 503 in {each.status for each in [*result.answers, *result.others.values()]}, result
    assert result.revoked == 401


def test_three_migrations_at_once_through_a_pooler_of_transactions(postgres: postgresql.Server, tmp_path: Path) -> None:
    database = postgres.database()
    with pgbouncer.serve(postgres, database) as port, ThreadPoolExecutor() as pool:
        block = {"host": "127.0.0.1", "port": port, "database": database.name, "username": database.name}
        values = _values({"postgresql": {**block, "password": database.password, "tls": {"mode": "disable"}}})
        values["allowInsecure"] = True  # the pooler of the test speaks no TLS
        # Rendered one after the other: Pulumi's runtime is one for the process.
        jobs = [_job(values, tmp_path / str(number)) for number in range(3)]
        logs = list(pool.map(_finished, jobs))
        assert sum("migration: done (initialise)" in log for log in logs) == 1, logs
        assert sum("nothing to do" in log for log in logs) == 2, logs
        # No session keeps the lock, whichever the pooler hands out next.
        assert "nothing to do" in _finished(_job(values, tmp_path / "again"))
    assert len(database.query("SELECT version_num FROM alembic_version")) == 1
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert postgres.query("postgres", locks) == [(0,)]


@pytest.mark.parametrize("scheme", ["postgres", "mysql"])
def test_a_uri_in_a_secret_needs_no_driver(
    postgres: postgresql.Server, maria: mariadb.Server, scheme: str, tmp_path: Path
) -> None:
    server = maria if scheme == "mysql" else postgres
    database = server.database()
    # PyMySQL sends passwords in Latin-1.
    password = database.password.encode().decode("latin-1") if scheme == "mysql" else database.password
    options = "ssl_check_hostname=false" if scheme == "mysql" else "sslmode=require"
    login = f"{database.name}:{quote(password, safe='')}"
    uri = f"{scheme}://{login}@127.0.0.1:{database.port}/{database.name}?{options}"
    values = _values({"uri": {"existingSecret": {"name": "database"}, "port": database.port}})
    log = _finished(_job(values, tmp_path / "job"), {"MLFLOW_BACKEND_STORE_URI": uri})
    assert "done (initialise)" in log
    # The server's own command, with a word that shows what it is given in place of `mlflow server`.
    made = rendered.pod(values, "mlflow-server", tmp_path / "pod").main
    launcher = made.command[:3]
    assert launcher[:2] == ["python", "-c"]
    shown = subprocess.check_output(
        [*launcher, "printenv", "MLFLOW_BACKEND_STORE_URI"],
        env={**made.environment, "MLFLOW_BACKEND_STORE_URI": uri},
        text=True,
    )
    driver = {"mysql": "mysql+pymysql", "postgres": "postgresql+psycopg2"}[scheme]
    assert shown.startswith(
        f"{driver}://{login}@127.0.0.1:{database.port}/{database.name}?{options}&connect_timeout=10&"
    )


def _values(database: dict[str, Any]) -> dict[str, Any]:
    return {"database": {**database, "connectTimeoutSeconds": 20}, "artifacts": VOLUME}


def _job(values: dict[str, Any], folder: Path) -> rendered.Pod:
    return rendered.pod(values, "mlflow-migration", folder)


def _finished(job: rendered.Pod, more: dict[str, str] | None = None) -> str:
    """Log of a migration, which must succeed."""
    done = [
        rendered.Container(each.name, each.command, {**each.environment, **(more or {})}).finish()
        for each in (*job.first, job.main)
    ]
    assert not any(each.returncode for each in done), done
    return done[-1].stdout
