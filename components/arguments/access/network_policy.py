"""Who may connect to the pods, and where they may connect to."""

import enum
import ipaddress
from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block, plain
from ..checks import between, cidrs, kubernetes_label_name, labels

__all__ = ["EgressArgs", "EgressProtocol", "NetworkPeerArgs", "NetworkPolicyArgs", "PortRangeArgs"]


class EgressProtocol(enum.Enum):
    """What Kubernetes can tell apart: https://kubernetes.io/docs/concepts/services-networking/network-policies/."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


@block
class NetworkPeerArgs(Block):
    """Pods that may connect."""

    namespace_labels: dict[str, str] = Field(default_factory=dict)
    """Labels of their namespaces; the deployment's own namespace if empty."""
    pod_labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the pods; all pods of these namespaces if empty."""

    def problems(self) -> Iterable[Problem]:
        yield from labels(self.namespace_labels, "namespace_labels", refused=())
        yield from labels(self.pod_labels, "pod_labels", refused=())
        if not self.namespace_labels and not self.pod_labels:
            yield Problem((), "selects no pods", "give namespaceLabels, podLabels or both")


@block
class PortRangeArgs(Block):
    """Ports that follow each other."""

    port: int
    """The first port."""
    end_port: int
    """The last port, which is open as well."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.port, 1, 65535, "port")
        yield from between(self.end_port, 1, 65535, "end_port")
        if 1 <= self.end_port < self.port:
            fix = f"write the lower one first: port: {self.end_port}, endPort: {self.port}"
            yield Problem(("end_port",), f"{self.end_port} is lower than port, {self.port}", fix)


@block
class EgressArgs(Block):
    """A further destination of the server and of garbage collection, such as a webhook, a model provider or a mail server."""

    cidrs: list[Input[str]] = Field(default_factory=list)
    """Networks in CIDR form; all if empty and no pods are chosen. Where nodes get their credentials stays closed, unless a
    network lies there: `169.254.169.254/32` opens it, `0.0.0.0/0` does not."""
    except_cidrs: list[Input[str]] = Field(default_factory=list)
    """Parts of these networks that stay closed, in CIDR form."""
    pods: list[NetworkPeerArgs] = Field(default_factory=list)
    """Pods of the cluster."""
    protocol: EgressProtocol = EgressProtocol.TCP
    """Protocol of the ports."""
    ports: list[int] = Field(default_factory=list)
    """Ports of the destination: those of its pods where a Service of the cluster stands before them."""
    port_ranges: list[PortRangeArgs] = Field(default_factory=list)
    """Ranges of ports, besides or instead of `ports`."""

    def problems(self) -> Iterable[Problem]:
        yield from cidrs(self.cidrs, "cidrs")
        yield from cidrs(self.except_cidrs, "except_cidrs")
        yield from self._exceptions()
        if not self.ports and not self.port_ranges:
            message = "is empty, and portRanges as well: the rule opens nothing"
            yield Problem(("ports",), message, "list ports, for example [443]", either=(("port_ranges",),))
        for index, port in enumerate(self.ports):
            for problem in between(port, 1, 65535, "port"):
                yield Problem(("ports", index), problem.message, problem.fix)

    def _exceptions(self) -> Iterable[Problem]:
        if self.except_cidrs and self.pods and not self.cidrs:
            yield Problem(("except_cidrs",), "is given without cidrs, and pods are chosen", "remove it, or give cidrs")
        networks = [_network(cidr) for cidr in self.cidrs]
        if not networks or None in networks:
            return
        for index, cidr in enumerate(self.except_cidrs):
            part = _network(cidr)
            if part is not None and not any(network and lies_in(part, network) for network in networks):
                message = f"{plain(cidr)!r} is no part of a network in cidrs"
                yield Problem(("except_cidrs", index), message, "name a smaller network, inside one of cidrs")


@block
class NetworkPolicyArgs(Block):
    """One policy for each kind of pod: who may connect to it, and where it may connect to.

    Always open: DNS, the database, the artifact store, and where pods fetch cloud credentials, unless the store has keys. The
    node's metadata and credentials stay closed: `egress: [{cidrs: [169.254.169.254/32], ports: [80]}]` opens them if pods
    must act as their node. Needs a network plugin that enforces policies.
    """

    allow_same_namespace: bool = True
    """Pods of the deployment's own namespace may connect to the server."""
    allow_namespaces: list[str] = Field(default_factory=list)
    """Names of namespaces whose pods may connect to the server, such as those of the ingress controller, Prometheus and
    clients."""
    allow_pods: list[NetworkPeerArgs] = Field(default_factory=list)
    """Pods that may connect to the server, selected by labels."""
    allow_cidrs: list[Input[str]] = Field(default_factory=list)
    """Networks outside the cluster that may connect to the server, in CIDR form, such as a load balancer's subnets."""
    dns_cidrs: list[Input[str]] = Field(default_factory=list)
    """Addresses of the DNS servers in CIDR form. If empty, any address on ports 53 and 5353, since clusters run them in
    pods, on nodes or on link-local addresses."""
    database_cidrs: list[Input[str]] = Field(default_factory=list)
    """Addresses of the database in CIDR form, for a database given by its DNS name, which a policy cannot resolve. If empty,
    any address except link-local ones, on the database's port."""
    artifacts_cidrs: list[Input[str]] = Field(default_factory=list)
    """Addresses of the artifact store in CIDR form, likewise."""
    identity_cidrs: list[Input[str]] = Field(default_factory=list)
    """Addresses of the services that issue cloud credentials, in CIDR form, likewise, on port 443: STS on AWS and Alibaba
    Cloud, Azure's sign-in, Google's token endpoint with a key file. Agents and metadata servers on the node have known
    addresses."""
    egress: list[EgressArgs] = Field(default_factory=list)
    """Further destinations of the server and of garbage collection."""

    def problems(self) -> Iterable[Problem]:
        for index, name in enumerate(self.allow_namespaces):
            for problem in kubernetes_label_name(name, "name", "the name of a namespace"):
                yield Problem(("allow_namespaces", index), problem.message, problem.fix)
        for path in ("allow_cidrs", "dns_cidrs", "database_cidrs", "artifacts_cidrs", "identity_cidrs"):
            yield from cidrs(getattr(self, path), path)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def lies_in(part: Network, whole: Network) -> bool:
    """Whether a network is a part of another one, and not the same."""
    return (
        part.version == whole.version
        and part != whole
        and part.network_address in whole
        and part.broadcast_address in whole
    )


def _network(cidr: Input[str]) -> Network | None:
    known = plain(cidr)
    try:
        return ipaddress.ip_network(known) if isinstance(known, str) else None
    except ValueError:  # told elsewhere
        return None
