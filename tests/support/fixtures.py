"""Fixtures of the rungs that need real tools; imported by their conftest.py."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import aws, mariadb, postgresql, pulumi, s3
from tests.support.helm import Helm
from tests.support.kubernetes import Kubectl
from toolchain.session import Session

Deploy = Callable[..., "contextlib.AbstractContextManager[pulumi.Stack]"]


@pytest.fixture(scope="session")
def session() -> Session:
    """The tools that `make test` has prepared."""
    try:
        found = Session.load()
    except FileNotFoundError as error:
        pytest.fail(f"{error.filename} is missing: run `make test` once, which prepares what these tests need")
    missing = [
        name for name in ("pulumi", "kubectl", "kubeconfig", "image", "host_address") if not getattr(found, name)
    ]
    if missing:
        pytest.fail(
            f"{Session.path_of_file()} has no {', '.join(missing)}: run `make test`, and see what it says of them"
        )
    return found


@pytest.fixture(scope="session")
def kubectl(session: Session) -> Kubectl:
    """The test cluster."""
    return Kubectl(str(session.kubectl), Path(str(session.kubeconfig)), str(session.host_address))


@pytest.fixture(scope="session")
def helm(session: Session, kubectl: Kubectl) -> Helm:
    """Helm for the test cluster."""
    if session.helm_problem:
        pytest.skip(session.helm_problem)
    assert session.helm, "`make test-all` prepares helm; it is not there"
    return Helm(Path(session.helm), kubectl)


@pytest.fixture(scope="session")
def postgresql_server(session: Session) -> Iterator[postgresql.Server]:
    """A PostgreSQL server outside the cluster."""
    with postgresql.serve(str(session.host_address)) as server:
        yield server


@pytest.fixture(scope="module")
def database(postgresql_server: postgresql.Server) -> postgresql.Database:
    """An empty PostgreSQL database, of the tests of a module."""
    return postgresql_server.database()


@pytest.fixture(scope="session")
def mariadb_server(session: Session) -> Iterator[mariadb.Server]:
    """A MariaDB server outside the cluster."""
    with mariadb.serve(str(session.host_address)) as server:
        yield server


@pytest.fixture(scope="session")
def s3_url(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3-compatible endpoint outside the cluster."""
    with s3.serve(str(session.host_address), tmp_path_factory.mktemp("s3") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def bucket(s3_url: str) -> s3.Bucket:
    """An empty bucket there over HTTP, of the tests of a module."""
    return s3.bucket(s3_url)


@pytest.fixture(scope="session")
def aws_cloud(
    session: Session,
    postgresql_server: postgresql.Server,
    mariadb_server: mariadb.Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[aws.Cloud]:
    """AWS on this machine."""
    folder = tmp_path_factory.mktemp("aws")
    with aws.serve(str(session.host_address), folder, postgresql_server, mariadb_server) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def new_aws_stack(
    session: Session, kubectl: Kubectl, aws_cloud: aws.Cloud, tmp_path_factory: pytest.TempPathFactory
) -> Deploy:
    """Makes stacks on it, as `new_stack`; their programs run in an environment with the SDK of AWS alone."""

    def make(kubeconfig: Path | None = None, **options: Any) -> "contextlib.AbstractContextManager[pulumi.Stack]":
        folder = tmp_path_factory.mktemp("stack")
        variables = {**aws_cloud.variables, **options.pop("variables", {})}
        kubeconfig = kubeconfig or kubectl.kubeconfig
        return pulumi.cloud_stack(session, "aws", folder, kubeconfig, variables=variables, **options)

    return make


@pytest.fixture(scope="session")
def new_stack(session: Session, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Deploy:
    """Makes stacks: a context manager with the arguments of `pulumi.Stack` after the session, all optional."""

    def make(kubeconfig: Path | None = None, **options: Any) -> "contextlib.AbstractContextManager[pulumi.Stack]":
        folder = tmp_path_factory.mktemp("stack")
        return pulumi.stack(session, folder, kubeconfig or kubectl.kubeconfig, **options)

    return make


@pytest.fixture(scope="session")
def unreachable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of a cluster that does not answer."""
    path = tmp_path_factory.mktemp("kubeconfig") / "unreachable"
    path.write_text(
        """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: none, user: {token: none}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""
    )
    return path
