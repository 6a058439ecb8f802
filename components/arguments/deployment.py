"""The root of the arguments. The package `rules` checks what concerns several blocks."""

import re
from collections.abc import Iterable

from pydantic import Field

from .access.auth import AuthArgs
from .access.ingress import IngressArgs
from .access.network_policy import NetworkPolicyArgs
from .access.rbac import RbacArgs
from .access.route import RouteArgs
from .access.service import ServiceArgs, ServiceType
from .access.service_account import ServiceAccountArgs
from .artifacts import ArtifactsArgs
from .backup import BackupArgs
from .base import Problem, block
from .checks import OWN_LABELS, between, kubernetes_label_name, labels
from .clouds.aws import AwsArgs
from .clouds.azure import AzureArgs
from .clouds.gcp import GcpArgs
from .database import DatabaseArgs
from .identity import IdentityArgs
from .jobs import ScheduledJobsArgs
from .kinds import CloudName, Kind, LoginBlock
from .manifests import Manifest
from .monitoring import MonitoringArgs
from .names import NamesArgs
from .objects import manifest_problems, patch_problems
from .server.image import ImageArgs
from .server.keys import KeysArgs
from .server.pod import PodArgs
from .server.resources import ContainerResourcesArgs
from .server.scaling import AutoscalingArgs, DisruptionBudgetArgs, SpreadArgs
from .server.server import ServerArgs
from .upgrade import UpgradeArgs, UpgradeMode

__all__ = ["MlflowDeploymentArgs"]

OF_NAMESPACE = ("pod-security.kubernetes.io/enforce", "pod-identity.alibabacloud.com/injection")
"""Labels of a namespace that the component makes."""


@block
class MlflowDeploymentArgs(ScheduledJobsArgs):
    """All settings of one MLflow deployment."""

    database: DatabaseArgs
    """Backend store for experiments, runs and registered models."""
    artifacts: ArtifactsArgs
    """Artifact store for model files, plots and other files."""
    identity: IdentityArgs | None = None
    """Identity that the pods use on their cloud; none if not given."""
    auth: AuthArgs | None = None
    """Who may use the server; anyone who can reach it if not given."""
    aws: AwsArgs | None = None
    """Account, network and cluster on AWS; required if this stack creates anything there."""
    gcp: GcpArgs | None = None
    """Project, network and cluster on Google Cloud; required if this stack creates anything there."""
    azure: AzureArgs | None = None
    """Resource group, network and cluster on Azure; required if this stack creates anything there."""
    namespace: str = "mlflow"
    """Namespace of all objects. Never generated, since cloud trust policies name it."""
    create_namespace: bool = True
    """Create the namespace, with Pod Security `restricted` enforced. If false, it must exist already."""
    image: ImageArgs = ImageArgs()
    """Container image."""
    server: ServerArgs = ServerArgs()
    """The tracking server."""
    pod: PodArgs = PodArgs()
    """The server's pods."""
    resources: ContainerResourcesArgs = ContainerResourcesArgs()
    """Requests and limits of the containers beside the server, and limits that all containers share."""
    service: ServiceArgs = ServiceArgs()
    """The Service in front of them."""
    service_account: ServiceAccountArgs = ServiceAccountArgs()
    """The account that the pods run as."""
    rbac: RbacArgs = RbacArgs()
    """Permissions of that account in the Kubernetes API; none by default."""
    ingress: IngressArgs | None = None
    """An Ingress for the Service; none if not given."""
    route: RouteArgs | None = None
    """An HTTPRoute of the Gateway API for the Service; none if not given."""
    network_policy: NetworkPolicyArgs | None = None
    """Network policies for the pods; none if not given."""
    monitoring: MonitoringArgs = MonitoringArgs()
    """Metrics for Prometheus, a dashboard, and alert rules."""
    keys: KeysArgs = KeysArgs()
    """Keys that all replicas share."""
    names: NamesArgs = NamesArgs()
    """Names of Kubernetes objects."""
    autoscaling: AutoscalingArgs | None = None
    """Let the cluster decide the number of pods; `server.replicas` decides if not given."""
    disruption_budget: DisruptionBudgetArgs = DisruptionBudgetArgs()
    """How many pods node drains may evict at once."""
    spread: SpreadArgs = SpreadArgs()
    """How pods are spread over zones and nodes."""
    upgrade: UpgradeArgs = UpgradeArgs()
    """What happens when a new image needs a newer database schema."""
    backup: BackupArgs | None = None
    """Scheduled, encrypted backups and restore drills; none if not given."""
    overrides: dict[str, Manifest] = Field(default_factory=dict)
    """Changes to Kubernetes objects, by kind and name in the component: `{Deployment/server: {spec: {…}}}`. Mappings are
    merged, null removes a key, lists of named items are merged by name; see docs/customise.md."""
    extra_objects: list[Manifest] = Field(default_factory=list)
    """Additional Kubernetes objects to create with the deployment, in its namespace unless they name another."""
    migration_timeout_seconds: int = 3600
    """How long a migration of the database schema may take, in seconds; with `upgrade.mode: automatic` or `blue-green`, all of the upgrade, its
    backup too."""
    deletion_protection: bool = True
    """Refuse to delete anything that holds data (claims, their namespace, generated keys): to delete it, set this to
    false, run `pulumi up`, then `pulumi destroy`."""
    allow_insecure: bool = False
    """Accept what is refused otherwise: publishing the server outside the cluster without authentication or without TLS, and
    settings that disable a protection (docs/access.md)."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels added to every Kubernetes object, for example team and cost centre, and to the pods of servers and Jobs. A change
    rolls the servers and runs the migration again; pods of databases and object stores in the cluster do not get them, so
    that they keep running. A label that is given for one kind of object (`pod.labels`, `service.labels` and so on) wins there."""

    @property
    def kinds(self) -> list[tuple[str, str, Kind]]:
        """What was chosen: the block, its field, and the kind given there."""
        made = {name: getattr(self, name) for name in ("database", "artifacts", "identity", "auth")}
        return [
            (name, *choice.chosen) for name, choice in made.items() if choice is not None and choice.chosen is not None
        ]

    @property
    def cloud(self) -> CloudName | None:
        """The cloud on which this stack creates something; checked arguments have at most one."""
        return next((kind.made_on for _, _, kind in self.kinds if kind.made_on is not None), None)

    @property
    def authenticated(self) -> bool:
        """Whether users must log in."""
        return self.auth is not None

    @property
    def continuous_port(self) -> int | None:
        """Port of the server's pod at which Litestream serves its metrics, if it does."""
        continuous = self.backup.continuous if self.backup is not None else None
        if continuous is None or self.database.sqlite is None or not self.monitoring.prometheus:
            return None
        return continuous.metrics_port

    @property
    def archives(self) -> bool:
        """Whether a PostgreSQL server in the cluster archives its log."""
        continuous = self.backup is not None and self.backup.continuous is not None
        return continuous and self.database.in_cluster_postgresql is not None

    @property
    def users_in_mlflow(self) -> bool:
        """Whether MLflow's own store keeps users."""
        return any(kind.users_in_mlflow for _, _, kind in self.kinds if isinstance(kind, LoginBlock))

    @property
    def proxied(self) -> bool:
        """Whether a proxy in the server's pods authenticates users; the server then only listens to it."""
        return any(kind.proxied for _, _, kind in self.kinds if isinstance(kind, LoginBlock))

    @property
    def upgrades_itself(self) -> bool:
        """Whether the migration Job stops and starts the servers. SQLite's are stopped by the Deployment itself."""
        return self.upgrade.mode is not UpgradeMode.MANUAL and self.database.kind.server

    @property
    def backup_before_upgrade(self) -> bool:
        """Whether an upgrade can start a backup of its own."""
        return self.backup is not None

    @property
    def serves_tls(self) -> bool:
        """Whether the server's pods serve TLS."""
        return self.server.tls is not None

    @property
    def keep_alive_seconds(self) -> int:
        """How long an idle connection to a pod is kept, in seconds."""
        if self.server.keep_alive_seconds is not None:
            return self.server.keep_alive_seconds
        # The longest of those that are known: Envoy keeps connections for 3600 seconds, Google's load balancers for 600, NGINX for
        # 60. What balances connections forgets them after 240 (Azure) or 350 (AWS). The sources are in docs/network.md.
        direct = self.service.type is ServiceType.LOAD_BALANCER and self.ingress is None and self.route is None
        return 200 if direct else 3620

    @property
    def most_replicas(self) -> int:
        """Maximum number of pods, not counting the surge of a rolling update."""
        return self.server.replicas if self.autoscaling is None else self.autoscaling.max_replicas

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from self._system_namespace()
        yield from labels(self.labels, "labels", (*OWN_LABELS, *OF_NAMESPACE))
        yield from between(self.migration_timeout_seconds, 1, 86_400, "migration_timeout_seconds", "seconds")
        yield from patch_problems(self.overrides)
        yield from manifest_problems(self.extra_objects)

    def _system_namespace(self) -> Iterable[Problem]:
        """Namespaces of Kubernetes itself: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/."""
        if self.namespace.startswith("kube-"):
            fix = "name one of its own for MLflow, for example mlflow"
            yield Problem(
                ("namespace",), f"{self.namespace!r} belongs to Kubernetes, as all that begin with kube-", fix
            )
        elif re.match("openshift($|-)", self.namespace):
            # https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/building_applications/projects
            fix = "name one of its own for MLflow, for example mlflow"
            yield Problem(
                ("namespace",), f"{self.namespace!r} belongs to OpenShift, as all that begin with openshift-", fix
            )
        elif self.namespace == "default" and self.create_namespace:
            fix = "name one of its own for MLflow, for example mlflow, or set createNamespace: false"
            yield Problem(("namespace",), "'default' exists in every cluster, so it cannot be made", fix)
