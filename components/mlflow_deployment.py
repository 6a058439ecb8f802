"""`MlflowDeployment`: composes the parts, and does nothing else."""

import dataclasses
from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from .alibaba.artifacts import oss
from .arguments import MlflowDeploymentArgs, to_arguments
from .cluster.access import ingress, route, service, tracking_uri
from .cluster.monitoring import exporter, monitoring
from .cluster.network_policy import network_policies
from .cluster.overrides import Overrides, extra_objects
from .cluster.rbac import roles, service_account
from .cluster.scaling import autoscaler, disruption_budget
from .contracts import ArtifactStore, Cloud, DatabaseConnection, WorkloadIdentity
from .existing import artifacts as existing_artifacts
from .existing import database as existing_database
from .existing import identity as existing_identity
from .in_cluster import artifacts as in_cluster_artifacts
from .in_cluster import database as in_cluster_database
from .in_cluster import database_server as in_cluster_database_server
from .in_cluster.minio import minio
from .in_cluster.nfs import nfs
from .pods.authentication import authentication
from .pods.backend_store import backend_store
from .pods.environment import environment_sources, own_environment
from .pods.garbage_collection import garbage_collection
from .pods.keys import keys
from .pods.migration import migration_job
from .pods.objects import Scope, entrance
from .pods.server import deployment
from .pods.stores import stores


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
        namespace = _namespace(self, name, args)
        scope = Scope(
            name=name,
            namespace=namespace.metadata.name if namespace else args.namespace,
            args=args,
            identity=WorkloadIdentity(),
            parent=self,
        )
        cloud = _cloud(scope)
        scope = dataclasses.replace(scope, identity=_identity(args, cloud), environment=own_environment(scope))
        scope = dataclasses.replace(scope, environment_from=environment_sources(scope))
        account = service_account(scope)
        first: list[pulumi.Resource] = [account] if account else []
        database, registry, artifacts = _database(scope, cloud, first), _registry(args), _artifacts(scope, cloud)
        store = backend_store(scope, database, registry)
        data = stores(scope, store, artifacts)
        roles(scope)
        before = [*first, *scope.identity.ready, *artifacts.ready]
        login = authentication(scope, store, first)
        if database is not None and not store.in_pod:
            before.append(migration_job(scope, store, [*first, *database.ready], login and login.migration))
        additions = [*([login.server] if login else []), *([exporter()] if args.monitoring.prometheus else [])]
        generated = keys(scope, [namespace] if namespace else first)
        server = deployment(scope, data, generated, before, additions, login and login.migration)
        front = service(scope)
        if args.ingress is not None:
            ingress(scope, front, args.ingress)
        if args.route is not None:
            route(scope, front, args.route)
        monitoring(scope, args.monitoring, server, login and login.account)
        if args.garbage_collection is not None:
            sign_in = login.client_environment if login else []
            garbage_collection(scope, data, args.garbage_collection, tracking_uri(scope, front), sign_in)
        if args.network_policy is not None:
            network_policies(
                scope,
                args.network_policy,
                entrance=entrance(scope, additions),
                databases=[each.network for each in (database, registry, login and login.database) if each is not None],
                artifacts=artifacts.network,
                others=[each for part in additions for each in part.network],
            )
        autoscaler(scope, server)
        disruption_budget(scope)
        extra_objects(scope)
        overrides.refuse_what_is_not_there()

        self.namespace = server.metadata.namespace
        self.service_name = front.metadata.name
        self.service_port = pulumi.Output.from_input(args.service.port)
        self.tracking_uri = tracking_uri(scope, front)
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


def _namespace(parent: pulumi.Resource, name: str, args: MlflowDeploymentArgs) -> k8s.core.v1.Namespace | None:
    if not args.create_namespace:
        return None
    return k8s.core.v1.Namespace(
        f"{name}-namespace",
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=args.namespace,
            labels={**args.labels, **_namespace_labels(args)},
        ),
        # Kubernetes deletes claims with their namespace, however well they are protected themselves.
        opts=pulumi.ResourceOptions(parent=parent, protect=args.deletion_protection),
    )


def _namespace_labels(args: MlflowDeploymentArgs) -> dict[str, str]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    if args.identity is not None and args.identity.alibaba_ram is not None:
        labels["pod-identity.alibabacloud.com/injection"] = "on"
    return labels


def _cloud(scope: Scope) -> Cloud | None:
    """The cloud on which something is made; its SDK is imported only then."""
    if scope.args.on_aws:
        from .aws import cloud as aws

        return aws.Cloud(scope)
    if scope.args.on_gcp:
        from .gcp import cloud as gcp

        return gcp.Cloud(scope)
    if scope.args.on_azure:
        from .azure import cloud as azure

        return azure.Cloud(scope)
    return None


def _identity(args: MlflowDeploymentArgs, cloud: Cloud | None) -> WorkloadIdentity:
    made = cloud.identity() if cloud else None
    if made is not None or args.identity is None:
        return made or WorkloadIdentity()
    return existing_identity.identity(args.identity)


def _database(scope: Scope, cloud: Cloud | None, first: Sequence[pulumi.Resource]) -> DatabaseConnection | None:
    made = cloud.database() if cloud else None
    if made is not None:
        return made
    choice = scope.args.database
    if choice.none is not None:
        return None
    if choice.sqlite is not None:
        return in_cluster_database.sqlite(scope, choice.sqlite)
    if choice.postgresql is not None:
        return existing_database.postgresql(scope, choice.postgresql, first)
    if choice.mysql is not None:
        return existing_database.mysql(scope, choice.mysql, first)
    if choice.in_cluster_postgresql is not None:
        return in_cluster_database_server.postgresql(scope, choice.in_cluster_postgresql)
    if choice.in_cluster_mysql is not None:
        return in_cluster_database_server.mysql(scope, choice.in_cluster_mysql)
    uri = choice.mssql or choice.uri
    assert uri is not None, "arguments hold exactly one choice"
    return existing_database.uri(uri)


def _registry(args: MlflowDeploymentArgs) -> DatabaseConnection | None:
    registry = args.database.registry
    return None if registry is None else existing_database.uri(registry)


def _artifacts(scope: Scope, cloud: Cloud | None) -> ArtifactStore:
    made = cloud.artifacts() if cloud else None
    if made is not None:
        return made
    choice = scope.args.artifacts
    if choice.volume is not None:
        return in_cluster_artifacts.volume(scope, choice.volume)
    if choice.minio is not None:
        return minio(scope, choice.minio)
    if choice.nfs is not None:
        return nfs(scope, choice.nfs)
    if choice.oss is not None:
        return oss(choice.oss)
    if choice.s3 is not None:
        return existing_artifacts.s3(choice.s3)
    if choice.gcs is not None:
        return existing_artifacts.gcs(choice.gcs)
    if choice.azure_blob is not None:
        return existing_artifacts.azure_blob(choice.azure_blob)
    if choice.ftp is not None:
        return existing_artifacts.ftp(choice.ftp)
    if choice.sftp is not None:
        return existing_artifacts.sftp(choice.sftp)
    if choice.hdfs is not None:
        return existing_artifacts.hdfs(choice.hdfs)
    assert choice.uri is not None, "arguments hold exactly one choice"
    return existing_artifacts.uri(choice.uri)
