"""A directory on HDFS."""

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from pydantic import Field

from ..base import Block, Input, Problem, block
from ..checks import (
    absolute_path,
    between,
    exactly_one,
    host_name,
    kubernetes_name,
    secret_key,
)
from ..kinds import ArtifactBlock, MlflowImage

__all__ = ["HdfsArgs", "TicketCacheArgs"]


@block
class TicketCacheArgs(Block):
    """Where the Kerberos ticket cache is: in a Secret, or in a file that a container or volume of your own provides."""

    one_of = ("existing_secret", "path")

    existing_secret: Input[str] | None = None
    """Name of an existing Secret in the deployment's namespace that holds the cache; something else must renew it."""
    key: str = "krb5cc"
    """Key of the cache in that Secret."""
    path: str | None = None
    """Path of a file in the server's container."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.existing_secret, "existing_secret", "the name of a Secret")
        yield from secret_key(self.key, "key")
        yield from absolute_path(self.path, "path")
        yield from exactly_one(self, self.one_of, "`existingSecret: mlflow-kerberos`")


@block
class HdfsArgs(ArtifactBlock):
    """A directory on HDFS. The image must contain Java and a Hadoop client with libhdfs, which the official ones lack."""

    mlflow_image = MlflowImage.CUSTOM
    not_in_images = "Java and a Hadoop client"
    variables: ClassVar[Mapping[str, str]] = {
        "MLFLOW_KERBEROS_TICKET_CACHE": "ticket_cache",
        "MLFLOW_KERBEROS_USER": "user",
        "MLFLOW_PYARROW_EXTRA_CONF": "extra_configuration",
        "KRB5_CONFIG": "kerberos_configuration",
    }

    host: Input[str] | None = None
    """Host of the name node, or a nameservice; as in the image's `core-site.xml` if not given."""
    port: Input[int] | None = None
    """Port of the name node; the client's default if not given."""
    path: Input[str] = "/"
    """Directory."""
    user: Input[str] | None = None
    """User, or Kerberos principal, to act as."""
    ticket_cache: TicketCacheArgs | None = None
    """Kerberos ticket cache; Kerberos is off if not given."""
    kerberos_configuration: Input[str] | None = None
    """Content of `krb5.conf`; the image's own if not given."""
    extra_configuration: dict[str, str] = Field(default_factory=dict)
    """Further settings of the Hadoop client, for example `{dfs.replication: "2"}`."""

    def problems(self) -> Iterable[Problem]:
        yield from host_name(self.host, "host")
        yield from between(self.port, 1, 65_535, "port")
        yield from absolute_path(self.path, "path")
        if self.port is not None and self.host is None:
            yield Problem(("port",), "is given without a host", "name the host, or remove the port")
        for key, value in self.extra_configuration.items():
            if not re.fullmatch(r"[\w.-]+", key) or "," in value:
                message = "cannot be told to MLflow, which separates settings by commas and equal signs"
                yield Problem(("extra_configuration", key), message, "set it in the image's hdfs-site.xml")
