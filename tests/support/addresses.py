"""Addresses in the cluster that lead to this machine, with the ports that managed databases have."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.kubernetes import Kubectl


@dataclass(frozen=True)
class Address:
    """An IP address and a name, which pods reach."""

    ip: str
    name: str


@contextlib.contextmanager
def leading_to(kubectl: Kubectl, port: int, to: int, name: str | None = None) -> Iterator[Address]:
    """A Service, in a namespace of its own, whose one endpoint is this machine.

    Args:
        kubectl: The cluster.
        port: Port of the Service.
        to: Port of this machine.
        name: Name of the namespace; any if None.
    """
    with kubectl.namespace(name=name) as namespace:
        labels = {"kubernetes.io/service-name": "database"}
        kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "database", "namespace": namespace},
                "spec": {"ports": [{"port": port, "targetPort": to}]},
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": "database", "namespace": namespace, "labels": labels},
                "addressType": "IPv4",
                "ports": [{"port": to}],
                "endpoints": [{"addresses": [kubectl.host_address]}],
            },
        )
        service = kubectl.json("get", "service", "database", "--namespace", namespace)
        yield Address(service["spec"]["clusterIP"], f"database.{namespace}.svc.cluster.local")
