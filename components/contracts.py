"""The interface between makers and pods: what MLflow needs from a database, an artifact store and an identity.

Makers (one package per cloud, `existing`, `in_cluster`) receive a `Place` and return contracts; pods read them. Nothing
here knows a cloud or a pod, and nothing describes "a database in general": only what a running MLflow server depends on.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import pulumi

from .arguments import DatabaseCreationArgs, Input, MlflowDeploymentArgs, TlsMode
from .arguments.database import uri
from .arguments.outputs import read


@dataclass(frozen=True, kw_only=True)
class Place:
    """The deployment that a resource belongs to: all that a maker needs to know.

    Attributes:
        name: Name of the component; also of the Service and the ServiceAccount, which are addressed by name.
        namespace: Namespace of all objects: an output of the Namespace, if the component creates it, so that it comes first.
        args: The arguments.
        parent: The component.
    """

    name: str
    namespace: Input[str]
    args: MlflowDeploymentArgs
    parent: pulumi.Resource

    @property
    def account_name(self) -> str:
        """Name of the ServiceAccount that the pods run as."""
        return self.args.service_account.name or self.name

    def options(self, **more: object) -> pulumi.ResourceOptions:
        """Options of a child: its parent, and nothing of the caller's, which children inherit."""
        return pulumi.ResourceOptions(parent=self.parent, **more)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class SecretKey:
    """A key of a Secret in the deployment's namespace; of a ConfigMap, which only URIs may be in, if it says so."""

    name: Input[str]
    key: str
    config_map: bool = False


SecretValue = pulumi.Output[str] | SecretKey
"""A secret: the value itself, marked secret, or where to find it."""


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A claim mounted into each server pod."""

    name: str
    claim_name: Input[str]
    mount_path: str
    shared: bool
    """Whether several pods may mount it at once."""
    sub_path: str | None = None
    """Directory of the claim; its root if None."""
    declared: bool = True
    """Whether it is a volume of its own in the pod. Otherwise the pod has one of this name already."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files that a client library reads, in a read-only directory of each server pod.

    Attributes:
        name: Name of the volume.
        directory: Where it is mounted.
        plain: Content by path below the directory.
        secret: Secret content by path, or where to find it.
    """

    name: str
    directory: str
    plain: Mapping[str, Input[str]] = field(default_factory=dict)
    secret: Mapping[str, SecretValue] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class NetworkDestination:
    """What the pods must be able to reach."""

    host: Input[str]
    """DNS name or address; `0.0.0.0` for services without fixed addresses, such as S3."""
    port: Input[int]
    component: str | None = None
    """Value of the label `app.kubernetes.io/component` of its pods, if it is part of this deployment."""
    networks: Sequence[Input[str]] = ()
    """Networks in CIDR form that it is known to be in; anywhere if empty and `host` is a DNS name."""

    @classmethod
    def of_url(cls, url: Input[str], ports: Mapping[str, int], path: str, what: str, fix: str) -> "NetworkDestination":
        """Where a URL leads.

        Args:
            url: The URL.
            ports: Default ports of its possible schemes.
            path: The argument that it comes from, as in a stack file.
            what, fix: What is wrong, and what to write instead, if it turns out to be no such URL.
        """

        def place(known: str) -> tuple[str, int]:
            parts = urlsplit(known)
            return parts.hostname or "", parts.port or ports[parts.scheme]

        # Neither is secret, also where the URL holds a password.
        found = pulumi.Output.unsecret(read(url, place, path, what, fix))
        return cls(host=found.apply(lambda known: known[0]), port=found.apply(lambda known: known[1]))


def in_uri(host: str) -> str:
    """A host as URIs spell it: addresses of IPv6 are in brackets."""
    return f"[{host}]" if ":" in host else host


Credentials = Mapping[str, Sequence[NetworkDestination]]
"""Where pods fetch credentials of a cloud, by the cloud's name."""


class Engine(enum.Enum):
    """Database engine, by SQLAlchemy's name of its dialect."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    MSSQL = "mssql"


PORTS = {Engine(dialect): port for dialect, port in uri.PORTS.items()}
"""Default ports of database servers."""
DRIVERS = {Engine(dialect): drivers[0] for dialect, drivers in uri.DRIVERS.items()}
"""Default SQLAlchemy drivers."""


@dataclass(frozen=True, kw_only=True)
class DatabaseConnection:
    """How MLflow reaches its backend store.

    Attributes:
        engine: Database engine.
        driver: SQLAlchemy driver.
        odbc_driver: Name of the ODBC driver below it, if it needs one.
        host, port, database: Where to connect; None for SQLite.
        username, password: Login, or the Secrets that hold it.
        tls_mode, ca_certificate: Encryption of the connection; the certificate in PEM form.
        path: File of a SQLite database inside the pod.
        uri: The full URI, instead of all of the above except the engine, which is None if the URI is not known yet.
        volumes: Claims that hold the database.
        network: What a network policy must leave open.
        connection_limit: Connections that the server grants to MLflow, if known.
        creation: How a Job first creates the database and its user; None if both exist.
        ready: Resources that must exist before a client can connect.
    """

    engine: Engine | None
    driver: str | None = None
    odbc_driver: str | None = None
    host: Input[str] | None = None
    port: Input[int] | None = None
    database: Input[str] | None = None
    username: Input[str] | SecretKey | None = None
    password: SecretValue | None = field(default=None, repr=False)
    tls_mode: TlsMode | None = None
    ca_certificate: Input[str] | None = None
    path: str | None = None
    uri: SecretValue | None = field(default=None, repr=False)
    volumes: Sequence[Volume] = ()
    network: NetworkDestination | None = None
    connection_limit: int | None = None
    creation: DatabaseCreationArgs | None = None
    ready: Sequence[pulumi.Resource] = ()


class StorageKind(enum.Enum):
    """How files are reached."""

    S3 = "s3"
    GCS = "gcs"
    AZURE = "azure"
    SFTP = "sftp"
    VOLUME = "volume"


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Where files are kept, apart from any tool that writes there: backups, each tool's in a folder of its own below `path`, or artifacts.

    Attributes:
        kind: How it is reached.
        bucket: Bucket or container; None for SFTP and volumes.
        path: Path in the bucket without slashes around it, or absolute path on the server or in the pod.
        endpoint: URL of the S3 service, Amazon's too; None for the others.
        region: Region of the bucket, if known.
        path_style: Whether requests to S3 name the bucket in their path; None if the client library may choose.
        account, domain: Storage account of Azure, and the domain of its cloud.
        host, port, username: SFTP server and user.
        environment: Plain variables that client libraries of the store read: restic and Litestream read those of AWS and Google,
            and restic AZURE_ACCOUNT_NAME.
        secret_environment: Secret ones: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AZURE_ACCOUNT_KEY, or SFTP_PASSWORD.
        files: `ca.pem` (authority of the S3 endpoint), `keyfile.json` (Google), `id` and `known_hosts` (SFTP).
        volumes: The claim.
        network: What a network policy must leave open.
        credentials: Where client libraries fetch credentials, unless the identity decides; empty if there are keys.
    """

    kind: StorageKind
    bucket: Input[str] | None = None
    path: Input[str] = ""
    endpoint: Input[str] | None = None
    region: Input[str] | None = None
    path_style: bool | None = None
    account: Input[str] | None = None
    domain: Input[str] | None = None
    host: Input[str] | None = None
    port: Input[int] | None = None
    username: Input[str] | None = None
    environment: Mapping[str, Input[str]] = field(default_factory=dict)
    secret_environment: Mapping[str, SecretValue] = field(default_factory=dict, repr=False)
    files: Sequence[Files] = ()
    volumes: Sequence[Volume] = ()
    network: NetworkDestination | None = None
    credentials: Credentials = field(default_factory=dict)

    def file(self, name: str) -> str | None:
        """Path of one of its files in a pod; None if it has none of this name."""
        return next((f"{each.directory}/{name}" for each in self.files if name in {**each.plain, **each.secret}), None)


@dataclass(frozen=True, kw_only=True)
class ArtifactStore:
    """Where MLflow stores artifacts.

    Attributes:
        destination: URI of the store, or where to find it.
        confidential: Whether the URI itself holds credentials.
        environment: Plain variables that the store's client library reads. They and the URI may refer to secret ones as
            `$(NAME)`, which Kubernetes only expands in the container's environment.
        secret_environment: Secret ones.
        files: Files that the client library reads.
        volumes: Claims that hold the artifacts.
        network: What a network policy must leave open.
        credentials: Where its client library fetches credentials, unless the identity decides; empty if the store has keys.
        presigned: Whether the server may hand out presigned URLs to clients; None if the store has none.
        storage: The same for other tools; None if nothing but MLflow reaches it.
        ready: Resources that must exist before a server can use it.
    """

    destination: Input[str] | SecretKey
    confidential: bool = False
    environment: Mapping[str, Input[str]] = field(default_factory=dict)
    secret_environment: Mapping[str, SecretValue] = field(default_factory=dict, repr=False)
    files: Sequence[Files] = ()
    volumes: Sequence[Volume] = ()
    network: NetworkDestination | None = None
    credentials: Credentials = field(default_factory=dict)
    presigned: bool | None = None
    storage: Storage | None = None
    ready: Sequence[pulumi.Resource] = ()


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentity:
    """The identity of the pods on their cloud.

    Attributes:
        service_account_annotations: Annotations of the ServiceAccount.
        pod_labels: Labels of every pod, both servers and jobs.
        credentials: Where pods fetch its credentials, which a network policy must allow.
        ready: Resources that must exist before the pods can use it.
    """

    service_account_annotations: Mapping[str, Input[str]] = field(default_factory=dict)
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=dict)
    ready: Sequence[pulumi.Resource] = ()


class Cloud(Protocol):
    """What one cloud creates for one deployment. The methods may be called in any order, each at most once."""

    def identity(self) -> WorkloadIdentity | None:
        """The identity that the pods assume; None unless the arguments ask for one of this cloud."""
        ...

    def database(self) -> DatabaseConnection | None:
        """The managed database, likewise."""
        ...

    def artifacts(self) -> ArtifactStore | None:
        """The bucket or container, likewise."""
        ...

    def grant(self) -> Sequence[pulumi.Resource]:
        """Grants of the identity on the artifact store, created or existing; empty without an identity of this cloud."""
        ...
