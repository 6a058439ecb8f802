"""The root of the arguments, and the rules that concern more than one block."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from .. import versions
from ..rules.access import access_problems
from .access.auth import AuthArgs
from .access.cluster import NetworkPolicyArgs, RbacArgs, ServiceAccountArgs
from .access.publishing import IngressArgs, RouteArgs
from .access.service import ServiceArgs
from .artifacts import ArtifactsArgs
from .base import Block, Path, Problem, block, plain
from .checks import amount, between, kubernetes_label_name, labels
from .clouds.aws import AwsArgs
from .clouds.aws import choices as aws_choices
from .clouds.aws import problems_of as aws_problems
from .clouds.azure import AzureArgs
from .clouds.azure import choices as azure_choices
from .clouds.azure import problems_of as azure_problems
from .clouds.gcp import GcpArgs
from .clouds.gcp import choices as gcp_choices
from .clouds.gcp import problems_of as gcp_problems
from .clouds.names import one_cloud
from .database import DatabaseArgs
from .garbage_collection import GarbageCollectionArgs
from .identity import IdentityArgs
from .manifests import Manifest
from .monitoring import MonitoringArgs
from .names import NamesArgs
from .objects import manifest_problems, patch_problems
from .server.image import ImageArgs
from .server.keys import KeysArgs
from .server.pod import PodArgs
from .server.scaling import AutoscalingArgs, DisruptionBudgetArgs, SpreadArgs
from .server.server import ServerArgs
from .volume import AccessMode

PROCESS_MIB = 200
"""Idle memory of one more server process, and of the launcher that each pod has besides, as measured."""
JOBS_MIB = 1300
"""Idle memory of the runners of background jobs."""


@block
class MlflowDeploymentArgs(Block):
    """Everything that can be said about one MLflow deployment."""

    database: DatabaseArgs
    """Where experiments, runs and models are kept."""
    artifacts: ArtifactsArgs
    """Where models, plots and files are kept."""
    identity: IdentityArgs | None = None
    """What the pods are towards their cloud; nothing if not given."""
    auth: AuthArgs | None = None
    """Who may use the server; without it, whoever reaches it."""
    aws: AwsArgs | None = None
    """Account, network and cluster, for what is made on AWS."""
    gcp: GcpArgs | None = None
    """Google Cloud, where something is made there."""
    azure: AzureArgs | None = None
    """Azure, where something is made there."""
    namespace: str = "mlflow"
    """Namespace of all objects. Plain and explicit, since cloud trust policies name it."""
    create_namespace: bool = True
    """Make the namespace, with Pod Security `restricted` enforced. If false, it must exist."""
    image: ImageArgs = ImageArgs()
    """Container image."""
    server: ServerArgs = ServerArgs()
    """The tracking server."""
    pod: PodArgs = PodArgs()
    """The server's pods."""
    service: ServiceArgs = ServiceArgs()
    """The Service in front of them."""
    service_account: ServiceAccountArgs = ServiceAccountArgs()
    """The account that the pods run as."""
    rbac: RbacArgs = RbacArgs()
    """Rights of that account towards the Kubernetes API; none by default."""
    ingress: IngressArgs | None = None
    """An Ingress that leads to the Service; none if not given."""
    route: RouteArgs | None = None
    """An HTTPRoute of the Gateway API that leads to the Service; none if not given."""
    network_policy: NetworkPolicyArgs | None = None
    """Network policies of the pods; none if not given."""
    monitoring: MonitoringArgs = MonitoringArgs()
    """Figures for Prometheus, a dashboard, and alert rules."""
    garbage_collection: GarbageCollectionArgs | None = None
    """Regular deletion of what users have deleted; none if not given."""
    keys: KeysArgs = KeysArgs()
    """Keys that all replicas share."""
    names: NamesArgs = NamesArgs()
    """Names of objects."""
    autoscaling: AutoscalingArgs | None = None
    """Let the cluster decide the number of pods; `server.replicas` does if not given."""
    disruption_budget: DisruptionBudgetArgs = DisruptionBudgetArgs()
    """How many pods a drain of nodes may end at once."""
    spread: SpreadArgs = SpreadArgs()
    """How several pods are spread over zones and nodes."""
    overrides: dict[str, Manifest] = Field(default_factory=dict)
    """Changes of Kubernetes objects, by kind and name in the component: `{Deployment/server: {spec: {…}}}`. Mappings are
    merged, null removes, lists of named items are merged by name; see docs/customise.md."""
    extra_objects: list[Manifest] = Field(default_factory=list)
    """Whole Kubernetes objects that are made with the deployment, in its namespace unless they name another."""
    migration_timeout_seconds: int = 3600
    """How long a migration of the database schema may take, in seconds."""
    deletion_protection: bool = True
    """Refuse to delete what holds data (claims, their namespace, generated keys): to delete it, set this to false, run
    `pulumi up`, then `pulumi destroy`."""
    allow_insecure: bool = False
    """Accept a server without authentication or without TLS outside the cluster's own network."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of every Kubernetes object, for example team and cost centre."""

    @property
    def on_aws(self) -> bool:
        """Whether anything is made on AWS."""
        return any(aws_choices(self))

    @property
    def on_gcp(self) -> bool:
        """Whether anything is made on Google Cloud."""
        return any(gcp_choices(self))

    @property
    def on_azure(self) -> bool:
        """Whether anything is made on Azure."""
        return any(azure_choices(self))

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from labels(self.labels, "labels")
        yield from between(self.migration_timeout_seconds, 1, 86_400, "migration_timeout_seconds", "seconds")
        yield from self._replicas()
        yield from self._scaling()
        yield from patch_problems(self.overrides)
        yield from manifest_problems(self.extra_objects)
        if self.create_namespace:
            yield from (problem.under("pod") for problem in self.pod.not_restricted())
        yield from self._image()
        yield from self._hadoop()
        yield from self._artifacts_only()
        yield from self._workspaces()
        yield from self._connections()
        yield from self._unknown_ports()
        yield from self._login()
        yield from self._memory()
        yield from aws_problems(self)
        yield from gcp_problems(self)
        yield from azure_problems(self)
        yield from one_cloud({"aws": aws_choices(self), "gcp": gcp_choices(self), "azure": azure_choices(self)})
        connect = self.database.connect_timeout_seconds
        if self.database.shared and 1 <= self.migration_timeout_seconds <= connect:
            yield Problem(
                ("migration_timeout_seconds",),
                f"{self.migration_timeout_seconds} is no more than database.connectTimeoutSeconds, {connect}: "
                "the migration would be ended before it can tell why the database does not answer",
                "raise it, or lower database.connectTimeoutSeconds",
            )
        yield from access_problems(self)

    @property
    def authenticated(self) -> bool:
        """Whether the server asks its users who they are."""
        return self.auth is not None

    @property
    def serves_tls(self) -> bool:
        """Whether the server's own port speaks TLS."""
        return getattr(self.server, "tls", None) is not None

    @property
    def most_replicas(self) -> int:
        """Pods that there may be, but for those of a rolling update."""
        return self.server.replicas if self.autoscaling is None else self.autoscaling.max_replicas

    def _replicas(self) -> Iterable[Problem]:
        replicas = self.most_replicas
        if replicas <= 1:
            return
        where = ("server", "replicas") if self.autoscaling is None else ("autoscaling", "max_replicas")
        if self.database.sqlite is not None:
            yield Problem(
                where,
                f"{replicas} replicas cannot share a SQLite file",
                "use 1, or database.postgresql",
            )
        volume = self.artifacts.volume
        if volume is not None and (
            volume.existing_claim is None and volume.access_mode is not AccessMode.READ_WRITE_MANY
        ):
            yield Problem(
                where,
                f"{replicas} replicas cannot share a {volume.access_mode.value} volume for artifacts",
                "use 1, artifacts.s3, or artifacts.volume.accessMode: ReadWriteMany with a StorageClass that has it",
            )
        if self.server.job_execution:
            yield Problem(
                ("server", "job_execution"),
                f"the job queue is local to one pod, and there are {replicas} replicas",
                "set it to false, or the number of replicas to 1",
            )

    def _scaling(self) -> Iterable[Problem]:
        if self.autoscaling is not None and self.server.replicas != 1:
            message = f"{self.server.replicas} is not for you to say where autoscaling decides the number of pods"
            yield Problem(("server", "replicas"), message, "remove it, and set autoscaling.minReplicas")
        fewest = self.server.replicas if self.autoscaling is None else self.autoscaling.min_replicas
        kept = self.disruption_budget.min_available
        if kept is not None and self.most_replicas > 1 and kept >= fewest:
            message = f"{kept} of {fewest} pods must stay, so that no node can be drained"
            yield Problem(("disruption_budget", "min_available"), message, "lower it, or have more pods")

    def _image(self) -> Iterable[Problem]:
        tag = plain(self.image.tag)
        official = plain(self.image.repository) == versions.MLFLOW_REPOSITORY
        if official and isinstance(tag, str) and not tag.endswith("-full") and self._needs_full_image():
            yield Problem(
                ("image", "tag"),
                f"{tag!r} is the official base image, which holds no database driver, no cloud client and no log-in",
                f"use '{tag}-full'",
            )

    def _artifacts_only(self) -> Iterable[Problem]:
        if not self.server.artifacts_only:
            if self.database.none is not None:
                message = "a tracking server needs a database"
                yield Problem(("database", "none"), message, "choose one, or set server.artifactsOnly: true")
            return
        if self.database.none is None and self.database.chosen:
            message = "is given, but a server with server.artifactsOnly must have no database"
            yield Problem(("database", self.database.chosen[0]), message, "write database: {none: {}}")
        refused = {
            ("artifacts", "proxied"): not self.artifacts.proxied,
            ("artifacts", "default_root"): self.artifacts.default_root is not None,
            ("server", "job_execution"): self.server.job_execution,
        }
        for path in (path for path, wrong in refused.items() if wrong):
            yield Problem(path, "makes no sense with server.artifactsOnly, which knows no experiments", "remove it")

    def _workspaces(self) -> Iterable[Problem]:
        workspaces = self.server.workspaces
        if workspaces is None:
            return
        if self.server.artifacts_only and workspaces.store_uri is None:
            message = "has nowhere to look workspaces up, since a server with server.artifactsOnly has no database"
            yield Problem(("server", "workspaces"), message, "give server.workspaces.storeUri")
        roots: dict[Path, Any] = {("artifacts", "default_root"): self.artifacts.default_root}
        if not self.artifacts.proxied:
            roots |= {("artifacts", n, "prefix"): getattr(b, "prefix", None) for n, b in vars(self.artifacts).items()}
        for path, root in roots.items():
            known = plain(root)
            # https://github.com/mlflow/mlflow/blob/v3.17.2/mlflow/store/tracking/sqlalchemy_workspace_store.py
            if isinstance(known, str) and "workspaces" in known.rstrip("/").split("/")[-2:]:
                message = f"{known!r} holds the folder 'workspaces', under which MLflow keeps the roots of workspaces"
                yield Problem(path, message, "use another name")

    def _hadoop(self) -> Iterable[Problem]:
        if self.artifacts.hdfs is not None and plain(self.image.repository) == versions.MLFLOW_REPOSITORY:
            yield Problem(
                ("image", "repository"),
                "the official images hold neither Java nor a Hadoop client, which artifacts.hdfs needs",
                "name an image of your own that starts from one of them and adds both: docs/artifacts.md",
            )

    def _needs_full_image(self) -> bool:
        clients = ("s3", "aws_bucket", "minio", "gcs", "azure_blob", "oss", "sftp", "uri")
        return (
            self.database.shared
            or self.authenticated
            or any(getattr(self.artifacts, name) is not None for name in clients)
        )

    def _login(self) -> Iterable[Problem]:
        if self.auth is not None and self.database.none is not None:
            message = "keeps users in the database that a server for artifacts alone does not have"
            yield Problem(
                ("auth",), message, "leave it out and protect the server by networkPolicy, or give it a database"
            )
        if self.auth is not None and self.auth.basic is None:
            for where in ("env", "secret_env"):
                if "PYTHONPATH" in (getattr(self.server, where) or {}):
                    message = "is set by this component where a proxy authenticates users"
                    yield Problem(("server", where, "PYTHONPATH"), message, "put your modules into the image")

    def _connections(self) -> Iterable[Problem]:
        database, (name, chosen) = self.database, self.database.chosen or ("", None)
        granted = getattr(chosen, "connections", getattr(chosen, "connection_limit", None))
        registry = database.registry
        users = self.auth is not None and self.auth.database is None
        yield from self._budget((name,), granted, database.stores + users)
        yield from self._budget(("registry",), registry.connection_limit if registry else None, 1)

    def _unknown_ports(self) -> Iterable[Problem]:
        for name in ("mssql", "uri", "registry") if self.network_policy is not None else ():
            known = getattr(self.database, name)
            if known is not None and known.existing_secret is not None and known.port is None:
                yield Problem(
                    ("database", name, "port"),
                    "is required with networkPolicy, which cannot know it from a URI in a Secret",
                    "give the port of the database server",
                )

    def _budget(self, where: Path, granted: int | None, stores: int) -> Iterable[Problem]:
        pods = self.most_replicas + self.server.max_surge
        per_process = stores * (self.database.pool_size + self.database.max_overflow)
        most = pods * self.server.workers * per_process
        if granted is not None and most > granted:
            known = hasattr(getattr(self.database, str(where[0])), "connection_limit")
            yield Problem(
                ("database", *where, *(["connection_limit"] if known else [])),
                f"{pods} pods ({self.server.max_surge} of them during a rollout) x {self.server.workers} processes x {per_process} connections = {most}, "
                f"but the database grants {granted}",
                "lower database.poolSize or database.maxOverflow, or raise the database's limit",
            )

    def _memory(self) -> Iterable[Problem]:
        server, limit = self.server, self.pod.resources.memory_limit
        needed = PROCESS_MIB * (1 + server.workers) + (JOBS_MIB if server.job_execution else 0)
        granted = amount(limit)
        if granted is not None and granted < needed * 1024**2:
            jobs = " and the job runners" if server.job_execution else ""
            yield Problem(
                ("pod", "resources", "memory_limit"),
                f"{limit!r} is less than what {server.workers} worker(s){jobs} hold when idle, about {needed} MiB",
                f"raise it to '{-(-needed * 3 // 2 // 1024)}Gi', or lower server.workers"
                + (" or server.jobExecution" if server.job_execution else ""),
            )
