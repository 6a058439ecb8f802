"""`MlflowDeployment`: only composes the parts."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_kubernetes as k8s

from . import makers
from .arguments import MlflowDeploymentArgs
from .cluster.collisions import Collisions
from .cluster.google import google_policies
from .cluster.ingress import ingress
from .cluster.instructions import instructions
from .cluster.monitoring import exporter, monitoring
from .cluster.namespace import namespace as make_namespace
from .cluster.network_policy import network_policies
from .cluster.overrides import Overrides, extra_objects
from .cluster.rbac import roles, service_account, upgrade_rights
from .cluster.route import route
from .cluster.scaling import autoscaler, disruption_budget
from .cluster.service import service
from .contracts import ArtifactStore, DatabaseConnection, Place
from .in_cluster.archive import Archive
from .labels import GARBAGE_COLLECTION
from .pods.addresses import public_url, tracking_uri
from .pods.artifact_store import artifact_store
from .pods.authentication import Account, Authentication, authentication
from .pods.backend_store import BackendStore, backend_store, further_stores
from .pods.backup import Backups, backups
from .pods.backup_place import BackupPlace, backup_place
from .pods.continuous import Continuous, continuous
from .pods.database_creation import creation_job
from .pods.environment import user_part
from .pods.garbage_collection import client, garbage_collection
from .pods.keys import Keys, keys
from .pods.migration import migration_in_pod, migration_job
from .pods.part import PodPart, join
from .pods.preflight import preflight
from .pods.scope import Scope
from .pods.server import deployment, entrance
from .pods.upgrade import record
from .reading.conversion import ConfigurationError, to_arguments
from .reading.outputs import checked_when_known

if TYPE_CHECKING:
    _Arguments = MlflowDeploymentArgs | Mapping[str, Any]
else:  # Pulumi's analyzer of components, which reads the type at run time, takes one class
    _Arguments = MlflowDeploymentArgs


class MlflowDeployment(pulumi.ComponentResource):
    """An MLflow tracking server on Kubernetes with its database, artifact store and identity."""

    namespace: pulumi.Output[str]
    """Namespace of all objects."""
    service_name: pulumi.Output[str]
    """Name of the Service."""
    service_port: pulumi.Output[int]
    """Port of the Service."""
    tracking_uri: pulumi.Output[str]
    """What clients inside the cluster set as MLFLOW_TRACKING_URI."""
    deployment_name: pulumi.Output[str]
    """Name of the Deployment, for `kubectl logs` and `kubectl rollout`."""
    url: pulumi.Output[str]
    """URL for users outside the cluster, where `ingress`, `route` or a load balancer publish the server; else empty."""
    forward_command: pulumi.Output[str]
    """Command that opens the server at http://localhost:5000 on the machine that runs it."""
    password_command: pulumi.Output[str]
    """Command that prints the administrator's password. Empty if nobody has to log in, or with an
    application of yours that names no account."""
    backup_password_command: pulumi.Output[str]
    """Command that prints the password of the backups, to keep outside of the cluster. Empty without backups."""
    admin: pulumi.Output[dict[str, str]]
    """Where the administrator's password is: `secret` and `passwordKey`, and the name as `username` or in `usernameKey`.
    Empty without authentication."""

    readme: pulumi.Output[str]
    """All of this as Markdown for people, with the next commands. Pulumi shows an output `readme` on the stack's page."""

    def __init__(self, name: str, args: _Arguments, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the deployment with all its resources.

        Args:
            name: Name of the component, also of its Service and ServiceAccount: a DNS label that starts with a letter.
            args: Arguments, or a mapping of the same shape.
            opts: Options. Every Kubernetes object uses the Kubernetes provider given here.

        Raises:
            ConfigurationError: The arguments are invalid; it lists all problems, and no resource has been registered. Outputs are
                checked as soon as they are known.
        """
        args = checked_when_known(to_arguments(args, name=name))
        overrides, collisions = Overrides(name, args.overrides), Collisions(name, args.namespace)
        last_word = pulumi.ResourceOptions(transformations=[overrides.transform, collisions.transform])
        super().__init__(
            "mlflow-deployment:index:MlflowDeployment", name, None, pulumi.ResourceOptions.merge(opts, last_word)
        )

        foundation = _foundation(self, name, args)
        workload = _workload(foundation)
        front, kept = _surroundings(foundation, workload)
        if problems := [*overrides.problems(), *collisions.problems()]:
            raise ConfigurationError(problems)

        server = workload.server
        self.namespace = server.metadata.namespace
        self.service_name = front.metadata.name
        self.service_port = pulumi.Output.from_input(args.service.port)
        self.tracking_uri = tracking_uri(foundation.scope, front)
        self.deployment_name = server.metadata.name
        self.url = public_url(foundation.scope, front)
        self.forward_command = pulumi.Output.concat(
            "kubectl port-forward --namespace ",
            self.namespace,
            " service/",
            self.service_name,
            f" 5000:{args.service.port}",
        )
        self.password_command = (
            workload.account.command(self.namespace) if workload.account else pulumi.Output.from_input("")
        )
        self.backup_password_command = kept.password_command if kept else pulumi.Output.from_input("")
        self.admin = workload.account.whereabouts if workload.account else pulumi.Output.from_input({})
        self.readme = instructions(
            name,
            workload.login is not None,
            namespace=self.namespace,
            deployment_name=self.deployment_name,
            url=self.url,
            tracking_uri=self.tracking_uri,
            forward_command=self.forward_command,
            password_command=self.password_command,
            backup_password_command=self.backup_password_command,
            admin=self.admin,
        )
        self.register_outputs(
            {
                "namespace": self.namespace,
                "serviceName": self.service_name,
                "servicePort": self.service_port,
                "trackingUri": self.tracking_uri,
                "deploymentName": self.deployment_name,
                "url": self.url,
                "forwardCommand": self.forward_command,
                "passwordCommand": self.password_command,
                "backupPasswordCommand": self.backup_password_command,
                "admin": self.admin,
                "readme": self.readme,
            }
        )


@dataclass(frozen=True)
class _Foundation:
    """What the workload depends on: on a cloud, existing, or in the cluster.

    Attributes:
        scope: The deployment.
        namespace: The namespace; None if it exists already.
        first: First objects in the cluster. Generated secrets wait for them, so that an `up` that cannot reach the cluster
            leaves nothing in the state.
        database: The backend store; None without one.
        artifacts: The artifact store.
        backups: Where backups go; None without them.
        archive: Where PostgreSQL in the cluster archives its log; None if it does not.
        ready: Resources that must exist before the server can start.
    """

    scope: Scope
    namespace: k8s.core.v1.Namespace | None
    first: Sequence[pulumi.Resource]
    database: DatabaseConnection | None
    artifacts: ArtifactStore
    backups: BackupPlace | None
    archive: Archive | None
    ready: Sequence[pulumi.Resource]

    @property
    def earliest(self) -> Sequence[pulumi.Resource]:
        """The very first object, for what is generated and waits for nothing else."""
        return [self.namespace] if self.namespace else self.first


def _foundation(component: MlflowDeployment, name: str, args: MlflowDeploymentArgs) -> _Foundation:
    namespace = make_namespace(name, args, component)
    where = namespace.metadata.name if namespace else args.namespace
    place = Place(name=name, namespace=where, args=args, parent=component)  # type: ignore[arg-type]
    cloud = makers.cloud(place)
    scope = Scope(**vars(place), identity=makers.identity(place, cloud))
    scope = dataclasses.replace(scope, user=user_part(scope))
    first = [account] if (account := service_account(scope)) else []
    backups = (
        backup_place(scope, args.backup, makers.backup_destination(scope, args.backup), first) if args.backup else None
    )
    archive = makers.archive(scope, backups)
    database, artifacts = makers.database(scope, cloud, first, archive), makers.artifacts(scope, cloud)
    granted = cloud.grant() if cloud else []
    return _Foundation(
        scope=scope,
        namespace=namespace,
        first=first,
        database=database,
        artifacts=artifacts,
        backups=backups,
        archive=archive,
        ready=[*first, *scope.identity.ready, *artifacts.ready, *granted],
    )


@dataclass(frozen=True)
class _Workload:
    """The server, and what its pods and jobs consist of.

    Attributes:
        server: The server's Deployment.
        login: How users log in; None without authentication.
        pod: The server's pods.
        jobs: The pods of jobs.
        stores: What a pod needs to reach database and artifacts, by the application's name.
        exclusive: Whether only one pod at a time may hold the volumes.
        backend: The database.
        keys: The keys that all replicas share.
        copies: Continuous backups.
    """

    server: k8s.apps.v1.Deployment
    login: Authentication | None
    pod: PodPart
    jobs: PodPart
    stores: Callable[[str], PodPart]
    exclusive: bool
    backend: BackendStore
    keys: Keys
    copies: Continuous

    @property
    def account(self) -> Account | None:
        """The administrator, if there is one that is known here."""
        return self.login.account if self.login else None


def _workload(foundation: _Foundation) -> _Workload:
    """The image first, then the migration, then the server."""
    scope, first = foundation.scope, foundation.first
    backend = backend_store(scope, foundation.database, makers.registry(scope))
    files = artifact_store(scope, foundation.artifacts)
    login = authentication(scope, backend, makers.users(scope), first)
    users = login.migration if login else None
    image = preflight(scope, first)
    ready = [*foundation.ready, image]
    if foundation.database is not None and not backend.in_pod:
        # Pods get their credentials when they are admitted, jobs too: one may read its password from the cloud.
        before = [*first, image, *scope.identity.ready]
        if foundation.database.creation is not None:
            before.append(creation_job(scope, foundation.database, foundation.database.creation, before.copy()))
        if scope.args.upgrades_itself:
            before += [*upgrade_rights(scope, first), record(scope)]
        ready.append(migration_job(scope, backend, users, [*before, *foundation.database.ready]))

    def stores(application: str) -> PodPart:
        return join(files.part, backend.part_of(application), further_stores(scope))

    shared = keys(scope, foundation.earliest)
    copies = _continuous(foundation, backend, login)
    pod = join(
        stores("mlflow-server"),
        shared.part,
        login.server if login else PodPart(),
        copies.restoring,
        # After the container that writes the users' settings, which the migration reads.
        migration_in_pod(scope, backend, users) if backend.in_pod else PodPart(),
        copies.replicating,
        exporter() if scope.args.monitoring.prometheus else PodPart(),
    )
    exclusive = backend.exclusive or files.exclusive
    server = deployment(scope, pod, exclusive=exclusive, first=foundation.earliest, after=ready)
    jobs = join(backend.part, users or PodPart())
    return _Workload(
        server=server,
        login=login,
        pod=pod,
        jobs=jobs,
        stores=stores,
        exclusive=exclusive,
        backend=backend,
        keys=shared,
        copies=copies,
    )


def _continuous(foundation: _Foundation, backend: BackendStore, login: Authentication | None) -> Continuous:
    """What continuous backups add to pods."""
    place, database, archive = foundation.backups, foundation.database, foundation.archive
    if archive is not None:
        return Continuous(rehearsing=lambda *_: archive.drill())
    if place is None or database is None or database.path is None:
        return Continuous()
    files = {"database": database.path, **({"users": login.file} if login and login.file else {})}
    return continuous(foundation.scope, place, files, backend)


def _surroundings(foundation: _Foundation, workload: _Workload) -> tuple[k8s.core.v1.Service, Backups | None]:
    """The objects around the pods: Service, Ingress, RBAC, policies, scaling, monitoring and so on. Returns the Service, and backups."""
    scope, args, login = foundation.scope, foundation.scope.args, workload.login
    roles(scope)
    front = service(scope, foundation.earliest, workload.keys.fingerprints)
    if args.ingress is not None:
        ingress(scope, front, args.ingress)
    if args.route is not None:
        route(scope, front, args.route)
    google_policies(scope, front, entrance(scope, workload.pod))
    monitoring(scope, args.monitoring, workload.server, workload.account)
    scheduled: dict[str, PodPart] = {}
    if args.garbage_collection is not None:
        stores = scheduled[GARBAGE_COLLECTION] = workload.stores("mlflow-gc")
        asks = client(scope, tracking_uri(scope, front), login.client if login else PodPart())
        garbage_collection(
            scope, args.garbage_collection, stores, asks, exclusive=workload.exclusive, after=[workload.server]
        )
    kept: Backups | None = None
    if args.backup and foundation.backups and foundation.database:
        kept = backups(
            scope,
            args.backup,
            foundation.backups,
            foundation.database,
            workload.backend,
            foundation.artifacts,
            workload.keys.part,
            workload.copies,
            after=foundation.ready,
        )
        scheduled |= kept.scheduled
    if args.network_policy is not None:
        network_policies(
            scope,
            args.network_policy,
            entrance=entrance(scope, workload.pod),
            server=workload.pod,
            jobs=workload.jobs,
            scheduled=scheduled,
            stores={"database": foundation.backups.reach} if args.archives and foundation.backups else {},
        )
    autoscaler(scope, workload.server)
    disruption_budget(scope)
    extra_objects(scope)
    return front, kept
