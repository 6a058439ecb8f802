"""Creating a database and its user on an existing server: which user does it, and where its password is."""

from collections.abc import Iterable

from ..base import Block, Input, Problem, block
from ..checks import exactly_one, pattern, secret_key
from .connection import DatabaseSecretArgs

__all__ = [
    "AwsStoreArgs",
    "AzureStoreArgs",
    "DatabaseCreationArgs",
    "GcpStoreArgs",
    "SecretsStoreArgs",
    "VaultStoreArgs",
]


@block
class AwsStoreArgs(Block):
    """AWS Secrets Manager. The pods' identity must be allowed to read the secret."""

    secret: Input[str]
    """Name or ARN of the secret, which holds JSON, like the secrets of RDS."""
    region: Input[str] | None = None
    """Region of the secret; the node's if not given."""
    password_key: str = "password"
    """Key of the password in the JSON."""
    username_key: str | None = None
    """Key of the user in the JSON; `username` of the block above is used if not given."""

    def problems(self) -> Iterable[Problem]:
        fix = "use letters, digits, '-' and '_'"
        yield from pattern(self.password_key, r"[\w-]+", "password_key", "a key of the secret", fix)
        yield from pattern(self.username_key, r"[\w-]+", "username_key", "a key of the secret", fix)


@block
class AzureStoreArgs(Block):
    """Azure Key Vault. The pods' workload identity must be allowed to read the secrets."""

    vault: Input[str]
    """Name of the key vault."""
    tenant_id: Input[str]
    """Directory (tenant) that the vault belongs to."""
    client_id: Input[str]
    """Client id of the workload identity."""
    password_secret: Input[str]
    """Name of the secret that is the password."""
    username_secret: Input[str] | None = None
    """Name of the secret that is the user; `username` of the block above is used if not given."""


@block
class GcpStoreArgs(Block):
    """Google Secret Manager. The pods' identity must be allowed to read the secrets."""

    password_version: Input[str]
    """The password: `projects/<project>/secrets/<secret>/versions/<version>`, where the version may be `latest`."""
    username_version: Input[str] | None = None
    """The user, likewise; `username` of the block above is used if not given."""

    def problems(self) -> Iterable[Problem]:
        fix = "write projects/<project>/secrets/<secret>/versions/<version or latest>"
        for name in ("password_version", "username_version"):
            regex = r"projects/[^/]+/(locations/[^/]+/)?secrets/[^/]+/versions/[^/]+"
            yield from pattern(getattr(self, name), regex, name, "a version of a secret", fix)


@block
class VaultStoreArgs(Block):
    """HashiCorp Vault, with its Kubernetes login."""

    address: Input[str]
    """URL of the server."""
    role: Input[str]
    """Role that the pods' ServiceAccount logs in as."""
    path: Input[str]
    """Path of the secret, for example `secret/data/database`."""
    password_key: str = "password"
    """Key of the password in the secret."""
    username_key: str | None = None
    """Key of the user in the secret; `username` of the block above is used if not given."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(self.address, r"https?://[^/\s@]+/?", "address", "a URL", "write https://host:port")
        yield from secret_key(self.password_key, "password_key")
        yield from secret_key(self.username_key, "username_key")


@block
class SecretsStoreArgs(Block):
    """Exactly one provider of the Secrets Store CSI driver (https://secrets-store-csi-driver.sigs.k8s.io). Driver and
    provider must be installed in the cluster. The password is mounted and never stored in a Secret."""

    one_of = ("aws", "azure", "gcp", "vault")

    aws: AwsStoreArgs | None = None
    """AWS Secrets Manager."""
    azure: AzureStoreArgs | None = None
    """Azure Key Vault."""
    gcp: GcpStoreArgs | None = None
    """Google Secret Manager."""
    vault: VaultStoreArgs | None = None
    """HashiCorp Vault."""

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, self.one_of, "`aws: {secret: …}`")


@block
class DatabaseCreationArgs(Block):
    """A Job creates the database and its user before the migration, logged in as a user that may do so. Whatever exists
    already is left unchanged, except the password of MLflow's user, which is reset."""

    one_of = ("existing_secret", "secrets_store")

    username: Input[str] | None = None
    """User that may create databases and users; `postgres` on PostgreSQL, `root` on MySQL if not given."""
    existing_secret: DatabaseSecretArgs | None = None
    """Secret that holds that user's password and, optionally, name."""
    secrets_store: SecretsStoreArgs | None = None
    """The same from a secrets store, by the Secrets Store CSI driver."""

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, self.one_of, "`existingSecret: {name: …}`")
