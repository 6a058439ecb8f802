"""`MlflowDeployment`: composes the parts, and does nothing else."""

import pulumi

from . import makers
from .arguments import MlflowDeploymentArgs, to_arguments
from .cluster.ingress import ingress
from .cluster.monitoring import exporter, monitoring
from .cluster.namespace import namespace as make_namespace
from .cluster.network_policy import network_policies
from .cluster.overrides import Overrides, extra_objects
from .cluster.rbac import roles, service_account
from .cluster.route import route
from .cluster.scaling import autoscaler, disruption_budget
from .cluster.service import service
from .contracts import Place
from .pods.addresses import tracking_uri
from .pods.artifact_store import artifact_store
from .pods.authentication import authentication
from .pods.backend_store import backend_store
from .pods.database_creation import creation_job
from .pods.environment import user_part
from .pods.garbage_collection import client, garbage_collection
from .pods.keys import keys
from .pods.migration import migration_in_pod, migration_job
from .pods.part import PodPart, join
from .pods.scope import Scope
from .pods.server import deployment, entrance


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
    admin: pulumi.Output[dict[str, str]]
    """Where the administrator's password is: `secret` and `passwordKey`, and the name as `username` or in `usernameKey`. Empty
    if nobody has to log in."""

    def __init__(self, name: str, args: MlflowDeploymentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the deployment with all its resources.

        Args:
            name: Name of the component, also of its Service and ServiceAccount: a DNS label that starts with a letter.
            args: Arguments, or a mapping of the same shape.
            opts: Options. Every Kubernetes object uses the Kubernetes provider given here.

        Raises:
            ConfigurationError: The arguments are wrong; it lists all problems, and nothing has been registered.
        """
        args = to_arguments(args, name=name)
        overrides = Overrides(name, args.overrides)
        last_word = pulumi.ResourceOptions(transformations=[overrides.transform])
        super().__init__(
            "mlflow-deployment:index:MlflowDeployment", name, None, pulumi.ResourceOptions.merge(opts, last_word)
        )

        # What the deployment stands on: created on a cloud, existing, or made in the cluster.
        namespace = make_namespace(name, args, self)
        where = namespace.metadata.name if namespace else args.namespace
        place = Place(name=name, namespace=where, args=args, parent=self)  # type: ignore[arg-type]
        cloud = makers.cloud(place)
        scope = Scope(**vars(place), identity=makers.identity(place, cloud))
        scope = Scope(**vars(place), identity=scope.identity, user=user_part(scope))
        account = service_account(scope)
        first: list[pulumi.Resource] = [account] if account else []
        database, artifacts = makers.database(scope, cloud, first), makers.artifacts(scope, cloud)
        granted = cloud.grant() if cloud else []
        roles(scope)

        # What the pods need to reach it.
        backend = backend_store(scope, database, makers.registry(scope))
        files = artifact_store(scope, artifacts)
        exclusive = backend.exclusive or files.exclusive
        login = authentication(scope, backend, makers.users(scope), first)
        users = login.migration if login else None
        jobs = join(backend.part, users or PodPart())

        # What runs: the migration first, then the server.
        ready = [*first, *scope.identity.ready, *artifacts.ready, *granted]
        if database is not None and not backend.in_pod:
            before = [*first, *database.ready]
            if database.creation is not None:
                before.append(creation_job(scope, database, database.creation, first))
            ready.append(migration_job(scope, backend, users, before))
        pod = join(
            files.part,
            backend.part_of("mlflow-server"),
            keys(scope, [namespace] if namespace else first),
            login.server if login else PodPart(),
            # After what writes the users' settings, which the migration reads.
            migration_in_pod(scope, backend, users) if backend.in_pod else PodPart(),
            exporter() if args.monitoring.prometheus else PodPart(),
            PodPart(network=scope.identity.endpoints),
        )
        server = deployment(scope, pod, exclusive=exclusive, after=ready)

        # What stands around the pods.
        front = service(scope)
        address = tracking_uri(scope, front)
        if args.ingress is not None:
            ingress(scope, front, args.ingress)
        if args.route is not None:
            route(scope, front, args.route)
        monitoring(scope, args.monitoring, server, login and login.account)
        collector = None
        if args.garbage_collection is not None:
            asks = client(scope, address, login.client if login else PodPart())
            collector = join(files.part, backend.part_of("mlflow-gc"), PodPart(network=scope.identity.endpoints))
            garbage_collection(scope, args.garbage_collection, collector, asks, exclusive=exclusive)
        if args.network_policy is not None:
            doors = entrance(scope, pod)
            network_policies(scope, args.network_policy, entrance=doors, server=pod, jobs=jobs, collector=collector)
        autoscaler(scope, server)
        disruption_budget(scope)
        extra_objects(scope)
        overrides.refuse_what_is_not_there()

        self.namespace = server.metadata.namespace
        self.service_name = front.metadata.name
        self.service_port = pulumi.Output.from_input(args.service.port)
        self.tracking_uri = address
        self.deployment_name = server.metadata.name
        self.admin = login.account.whereabouts if login else pulumi.Output.from_input({})
        self.register_outputs(
            {
                "namespace": self.namespace,
                "serviceName": self.service_name,
                "servicePort": self.service_port,
                "trackingUri": self.tracking_uri,
                "deploymentName": self.deployment_name,
                "admin": self.admin,
            }
        )
