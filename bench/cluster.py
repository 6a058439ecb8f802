"""Deployments to measure, on the prepared cluster."""

import contextlib
import functools
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import configurations, mariadb, postgresql, pulumi, s3
from tests.support.kubernetes import Kubectl, unique_name
from toolchain.session import Session


class UnavailableError(Exception):
    """This machine or cluster does not let a metric be measured; the message says why."""


@dataclass(frozen=True)
class Configured:
    """A stack with its configuration. It is not deployed before its `up` is called.

    Attributes:
        stack: The stack.
        values: Its configuration.
        secrets: The secrets in it by path.
    """

    stack: pulumi.Stack
    values: dict[str, Any]
    secrets: Mapping[str, str]

    @property
    def namespace(self) -> str:
        return self.values["namespace"]

    def reconfigure(self, **values: Any) -> None:
        """Change values of the configuration."""
        self.stack.configure({**self.values, **values}, self.secrets)


class Bench:
    """What the measurements share. Servers beside the cluster are started when a measurement first needs them.

    Attributes:
        session: The prepared tools.
        folder: A temporary folder.
    """

    def __init__(self, session: Session, folder: Path, stack: contextlib.ExitStack) -> None:
        """Use `open_bench`."""
        self.session = session
        self.folder = folder
        self._exit = stack

    @functools.cached_property
    def kubectl(self) -> Kubectl:
        """The cluster."""
        return Kubectl(str(self.session.kubectl), Path(str(self.session.kubeconfig)), str(self.session.host_address))

    @functools.cached_property
    def postgresql(self) -> postgresql.Server:
        """A PostgreSQL server outside the cluster, with TLS."""
        return self._exit.enter_context(postgresql.serve(str(self.session.host_address)))

    @functools.cached_property
    def mariadb(self) -> mariadb.Server:
        """A MariaDB server outside the cluster, with TLS."""
        return self._exit.enter_context(mariadb.serve(str(self.session.host_address)))

    @functools.cached_property
    def s3_url(self) -> str:
        """An S3-compatible endpoint outside the cluster."""
        return self._exit.enter_context(s3.serve(str(self.session.host_address), self.new_folder() / "log"))

    def new_folder(self) -> Path:
        """An empty folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def new_stack(self, **options: Any) -> "contextlib.AbstractContextManager[pulumi.Stack]":
        """A stack that is destroyed at the end; see `pulumi.Stack`."""
        return pulumi.stack(self.session, self.new_folder(), self.kubectl.kubeconfig, measured=True, **options)

    @contextlib.contextmanager
    def sqlite(self) -> Iterator[Configured]:
        """The deployment with SQLite."""
        with self._configured(configurations.sqlite(unique_name()), {}) as configured:
            yield configured

    @contextlib.contextmanager
    def external(self, **more: Any) -> Iterator[Configured]:
        """The deployment with an empty PostgreSQL database and a bucket; two replicas unless `more` says otherwise."""
        database, bucket = self.postgresql.database(), s3.bucket(self.s3_url)
        values = configurations.postgresql(unique_name(), database, bucket, **more)
        with self._configured(values, configurations.postgresql_secrets(database, bucket)) as configured:
            yield configured

    @contextlib.contextmanager
    def external_mariadb(self) -> Iterator[Configured]:
        """The deployment with an empty MariaDB database, a bucket and two replicas."""
        database, bucket = self.mariadb.database(), s3.bucket(self.s3_url)
        values = configurations.mysql(unique_name(), database, bucket)
        with self._configured(values, configurations.mysql_secrets(database, bucket)) as configured:
            yield configured

    @contextlib.contextmanager
    def _configured(self, values: dict[str, Any], secrets: Mapping[str, str]) -> Iterator[Configured]:
        with self.new_stack() as stack:
            yield Configured(stack.configure(values, secrets), values, secrets)

    def require_pods_here(self) -> None:
        """Make sure that pods are processes of this machine, at addresses that it reaches.

        Raises:
            UnavailableError: They are not.
        """
        if self.session.cluster_kind != "built-in":
            raise UnavailableError("needs the built-in cluster, whose pods are processes of this machine")


@contextlib.contextmanager
def open_bench() -> Iterator[Bench]:
    """Load the session that `make bench` has prepared; end and remove everything at the end."""
    with tempfile.TemporaryDirectory(prefix="mlflow-bench-") as folder, contextlib.ExitStack() as stack:
        yield Bench(Session.load(), Path(folder), stack)
