"""The root of the arguments. What concerns several blocks is checked by the package `rules`."""

from collections.abc import Iterable

from pydantic import Field

from .access.auth import AuthArgs
from .access.ingress import IngressArgs
from .access.network_policy import NetworkPolicyArgs
from .access.rbac import RbacArgs
from .access.route import RouteArgs
from .access.service import ServiceArgs
from .access.service_account import ServiceAccountArgs
from .artifacts import ArtifactsArgs
from .base import Block, Problem, block
from .checks import between, kubernetes_label_name, labels
from .clouds.aws import AwsArgs
from .clouds.azure import AzureArgs
from .clouds.gcp import GcpArgs
from .database import DatabaseArgs
from .garbage_collection import GarbageCollectionArgs
from .identity import IdentityArgs
from .kinds import CloudName, Kind
from .manifests import Manifest
from .monitoring import MonitoringArgs
from .names import NamesArgs
from .objects import manifest_problems, patch_problems
from .server.image import ImageArgs
from .server.keys import KeysArgs
from .server.pod import PodArgs
from .server.scaling import AutoscalingArgs, DisruptionBudgetArgs, SpreadArgs
from .server.server import ServerArgs

__all__ = ["MlflowDeploymentArgs"]


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
    """Metrics for Prometheus, a dashboard, and alert rules."""
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
    def kinds(self) -> list[tuple[str, str, Kind]]:
        """What was chosen: the block, its field, and the kind that stands there."""
        made = {name: getattr(self, name) for name in ("database", "artifacts", "identity", "auth")}
        return [
            (name, *choice.chosen) for name, choice in made.items() if choice is not None and choice.chosen is not None
        ]

    @property
    def cloud(self) -> CloudName | None:
        """The cloud on which something is created; checked arguments have one at most."""
        return next((kind.made_on for _, _, kind in self.kinds if kind.made_on is not None), None)

    @property
    def authenticated(self) -> bool:
        """Whether the server asks its users who they are."""
        return self.auth is not None

    @property
    def serves_tls(self) -> bool:
        """Whether the server's own port speaks TLS."""
        return self.server.tls is not None

    @property
    def most_replicas(self) -> int:
        """Pods that there may be, not counting those of a rolling update."""
        return self.server.replicas if self.autoscaling is None else self.autoscaling.max_replicas

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from labels(self.labels, "labels")
        yield from between(self.migration_timeout_seconds, 1, 86_400, "migration_timeout_seconds", "seconds")
        yield from patch_problems(self.overrides)
        yield from manifest_problems(self.extra_objects)
