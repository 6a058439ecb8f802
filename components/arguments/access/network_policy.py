"""Who may connect to the pods, and where they may connect to."""

from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block
from ..checks import between, cidrs, kubernetes_label_name, labels

__all__ = ["EgressArgs", "NetworkPeerArgs", "NetworkPolicyArgs"]


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
class EgressArgs(Block):
    """A further destination of the server and of garbage collection, such as a webhook, a model provider or a mail server."""

    cidrs: list[Input[str]] = Field(default_factory=list)
    """Networks in CIDR form; everything except link-local addresses if empty and no pods are selected."""
    pods: list[NetworkPeerArgs] = Field(default_factory=list)
    """Pods of the cluster."""
    ports: list[int]
    """TCP ports."""

    def problems(self) -> Iterable[Problem]:
        yield from cidrs(self.cidrs, "cidrs")
        yield from _ports(self.ports)


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


def _ports(ports: list[int]) -> Iterable[Problem]:
    if not ports:
        yield Problem(("ports",), "is empty: the rule opens nothing", "list TCP ports, for example [443]")
    for index, port in enumerate(ports):
        for problem in between(port, 1, 65535, "port"):
            yield Problem(("ports", index), problem.message, problem.fix)
