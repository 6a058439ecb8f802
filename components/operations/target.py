"""The deployment that a command is for, and its objects in the cluster."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..labels import (
    APPLICATION,
    BACKUP,
    BACKUP_DRILL,
    COMPONENT,
    GARBAGE_COLLECTION,
    INSTANCE,
    RESTORE,
    SERVER,
    SERVER_CONTAINER,
    instance,
    selector,
)
from .cluster import Cluster, Object
from .errors import FAILED, NOT_FOUND, USAGE, MissingError, OperationError

ARGUMENTS = {
    BACKUP: "backup",
    BACKUP_DRILL: "backup.drill",
    RESTORE: "backup",
    GARBAGE_COLLECTION: "garbageCollection",
}
"""What to set in the stack configuration for the CronJob of a component."""


@dataclass(frozen=True)
class Target:
    """A deployment.

    Attributes:
        cluster: Where it is.
        namespace: Its namespace.
        name: Its name.
    """

    cluster: Cluster
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def server(self) -> Object:
        """The Deployment of the servers.

        Raises:
            MissingError: It is gone.
        """
        found = self.all("deployments", SERVER)
        if not found:
            raise MissingError(f"the Deployment of {self} is gone", "Run `pulumi up`.", NOT_FOUND)
        return found[0]

    def cron_job(self, component: str) -> Object:
        """The CronJob of a component.

        Raises:
            OperationError: The stack does not declare it.
        """
        found = self.all("cronjobs", component)
        if not found:
            argument = ARGUMENTS.get(component, component)
            raise OperationError(
                f"{self} has no CronJob for {component}: `{argument}` is not set in its configuration",
                f"Set `mlflow:{argument}` in the stack file and run `pulumi up`.",
                NOT_FOUND,
            )
        return found[0]

    def all(self, kind: str, component: str | None = None) -> list[Object]:
        """Objects of a kind, the oldest first.

        Args:
            kind: As in `Cluster.list`.
            component: Which kind of pod they are for; None for all.
        """
        labels = instance(self.name) if component is None else selector(self.name, component)
        found = self.cluster.list(kind, self.namespace, labels)
        return sorted(found, key=lambda each: each["metadata"]["creationTimestamp"])

    def config_map(self, suffix: str) -> dict[str, str]:
        """Content of the ConfigMap `<name>-<suffix>`; empty if there is none."""
        try:
            return self.cluster.get("configmaps", self.namespace, f"{self.name}-{suffix}").get("data") or {}
        except MissingError:
            return {}

    def remembered(self, annotation: str) -> Any:
        """The JSON in an annotation of the server's Deployment; None if there is none."""
        text = (self.server()["metadata"].get("annotations") or {}).get(annotation)
        return json.loads(text) if text else None

    def kubectl(self, command: str) -> str:
        """A command of kubectl for the user to copy."""
        return self.cluster.kubectl(command, self.namespace)

    def unprotect(self, resource: str) -> str:
        """A command, likewise, that lets the next `pulumi up` drop a value that was generated, whose name has this end. It does nothing
        where there is none."""
        found = f"pulumi stack --show-urns | grep -o 'urn:.*:RandomPassword::{self.name}-{resource}$'"
        return f'for urn in $({found}); do pulumi state unprotect --yes "$urn"; done'


def containers(pod: Object) -> list[Object]:
    """All containers in the specification of a pod, in the order in which they start."""
    return [*(pod.get("initContainers") or []), *pod["containers"]]


def server_container(pod: Object) -> Object:
    """The container of MLflow's server in a pod or in a template of pods."""
    return next(each for each in pod["spec"]["containers"] if each["name"] == SERVER_CONTAINER)


def find(cluster: Cluster, name: str | None, namespace: str | None) -> Target:
    """The deployment that is meant.

    Args:
        cluster: Where to look.
        name: Its name; None if there is only one.
        namespace: Its namespace; None for the context's own, and if there is none in it, for all that the user may read.

    Raises:
        OperationError: There is none, or more than one; the message lists what there is.
    """
    there = _deployments(cluster, namespace or cluster.namespace)
    if not [each for each in there if name in (None, each.name)] and namespace is None:
        try:
            there = _deployments(cluster, None)
        except OperationError as error:
            if error.code != FAILED or "you may not" not in error.message:
                raise
    found = [each for each in there if name in (None, each.name)]
    if len(found) == 1:
        return found[0]
    wanted = f"deployment {name!r}" if name else "deployment"
    where = (
        f"the namespace {namespace}" if namespace else f"the namespace {cluster.namespace} or any other you may read"
    )
    if found:
        listed = ", ".join(f"--namespace {each.namespace} --name {each.name}" for each in found)
        raise OperationError(f"there are {len(found)} deployments of MLflow", f"Choose one: {listed}.", USAGE)
    if there:
        fix = f"There is: {', '.join(map(str, there))}. Name one with --namespace and --name."
    else:
        fix = "Name the namespace with --namespace and the cluster with --context, or the stack with --stack."
    raise OperationError(f"there is no {wanted} of MLflow in {where}", fix, NOT_FOUND)


def of_deployment(cluster: Cluster, namespace: str, name: str) -> Target:
    """The deployment that a Kubernetes Deployment belongs to."""
    return _target(cluster, cluster.get("deployments", namespace, name))


def _deployments(cluster: Cluster, namespace: str | None) -> list[Target]:
    labels = {APPLICATION: "mlflow", COMPONENT: SERVER}
    return [_target(cluster, each) for each in cluster.list("deployments", namespace, labels)]


def _target(cluster: Cluster, deployment: Object) -> Target:
    metadata = deployment["metadata"]
    return Target(cluster, metadata["namespace"], metadata["labels"][INSTANCE])
