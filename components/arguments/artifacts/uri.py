"""Any artifact store, by its URI."""

import re
from collections.abc import Iterable

from pydantic import Field

from .. import switches
from ..base import Input, Problem, block, plain, secret
from ..checks import (
    ExistingConfigMap,
    ExistingSecret,
    exactly_one,
)
from ..database import DatabaseArgs
from ..environment import OWN_VARIABLES, variables
from ..kinds import ArtifactBlock, variables_of

__all__ = ["UriArgs", "UriConfigMapArgs", "UriSecretArgs"]


@block
class UriSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the whole URI."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "uri"
    """Key of the URI in the Secret."""


@block
class UriConfigMapArgs(ExistingConfigMap):
    """An existing ConfigMap in the deployment's namespace that holds the whole URI, without a password."""

    name: Input[str]
    """Name of the ConfigMap."""
    key: str = "uri"
    """Key of the URI in the ConfigMap."""


@block
class UriArgs(ArtifactBlock):
    """Any artifact store that MLflow or a plugin in the image supports, by its URI."""

    one_of = ("uri", "existing_secret", "existing_config_map")

    uri: Input[str] | None = secret()
    """The URI, stored in a Secret since it may contain credentials."""
    existing_secret: UriSecretArgs | None = None
    """Secret that holds the URI, instead of `uri`."""
    existing_config_map: UriConfigMapArgs | None = None
    """ConfigMap that holds it, for a URI without a password: everyone who may look at the namespace can read it."""
    env: dict[str, Input[str]] = Field(default_factory=dict)
    """Environment variables that the store's client library reads, not secret."""
    secret_env: dict[str, Input[str]] | None = secret()
    """Environment variables that the store's client library reads, stored in a Secret."""
    presigned: bool = False
    """Let clients transfer files directly to and from the store, by presigned URLs, where MLflow can sign them (S3, Azure
    Blob, GCS)."""

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, self.one_of, "`uri: s3://bucket/path`")
        own = OWN_VARIABLES | variables_of("database", DatabaseArgs)
        yield from variables(self.env, self.secret_env or {}, own=own)
        uri = plain(self.uri)
        if not isinstance(uri, str):
            return
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):/", uri)
        if uri.startswith(("/", "./", "../", "~")) or (scheme is not None and scheme[1].lower() == "file"):
            message = "is a path in the server's container, which neither its jobs nor other replicas have"
            fix = "use artifacts.volume (a claim of your own is existingClaim there), or artifacts.nfs"
            yield Problem(("uri",), f"{message}, and what is not on a volume is lost with the pod", fix)
        elif re.match(r"[A-Za-z]:[/\\]", uri):
            yield Problem(("uri",), "is a path of Windows, and the server runs on Linux", "give the address of a store")
        elif re.match(r"(s3|gs|r2|b2|wasbs?|abfss?|ftp|sftp):/[^/]", uri, re.IGNORECASE):
            fix = f"write {uri.partition(':')[0].lower()}://, and what follows it"
            yield Problem(("uri",), "has one slash behind the scheme, and so names no host or bucket", fix)
        elif scheme is None:
            yield Problem(("uri",), "is no URI, since it has no scheme", "write scheme and path: s3://bucket/path")
        elif scheme[1].lower() == "s3" and self.presigned:
            yield from self._regional({*self.env, *(self.secret_env or {})})
        elif re.match(r"(runs|models):|mlflow-artifacts:/(?!/)", uri):
            yield Problem(("uri",), f"{scheme[1]}: refers to the server itself", "give the address of a store")

    def insecure(self) -> Iterable[Problem]:
        yield from switches.variables(self.env, self.secret_env or {})

    def _regional(self, given: set[str]) -> Iterable[Problem]:
        """Clients must not be sent to the global host of S3, as in `S3Args`."""
        regional = {"AWS_DEFAULT_REGION", "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"} <= given
        if not regional and not given & {"MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"}:
            message = "would send clients to the global host of S3, which newer regions do not serve"
            fix = "use artifacts.s3, or set AWS_DEFAULT_REGION and MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE: virtual in env"
            yield Problem(("presigned",), message, fix)
