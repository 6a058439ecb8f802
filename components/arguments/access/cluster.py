"""Inside the cluster: the ServiceAccount and its rights, and who may connect to whom."""

from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block
from ..checks import between, cidrs, kubernetes_label_name, kubernetes_name, labels, qualified_keys


@block
class ServiceAccountArgs(Block):
    """The account that the pods run as. Cloud trust policies name it together with the namespace."""

    create: bool = True
    """Make the account. If false, it must exist in the deployment's namespace."""
    name: str | None = None
    """Name of the account; that of the component if not given."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations of the account, besides those that `identity` needs."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of the account."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.name, "name", "the name of a ServiceAccount")
        yield from qualified_keys(self.annotations, "annotations")
        yield from labels(self.labels, "labels")
        if self.create:
            return
        if self.name is None:
            yield Problem(("name",), "is required with create: false", "name the account that exists")
        for what in ("annotations", "labels"):
            if getattr(self, what):
                yield Problem(
                    (what,), "is given for an account that exists already", "set it there, and remove it here"
                )


@block
class PolicyRuleArgs(Block):
    """What may be done with some resources of the Kubernetes API."""

    api_groups: list[str] = Field(default_factory=lambda: [""])
    """API groups; the core group is the empty text."""
    resources: list[str] = Field(default_factory=list)
    """Kinds of resource in plural, for example `pods` and `pods/log`."""
    resource_names: list[str] = Field(default_factory=list)
    """Names of single objects; all if empty."""
    non_resource_urls: list[str] = Field(default_factory=list)
    """Paths of the API that are no resources, for example `/healthz`; only in cluster rules."""
    verbs: list[str]
    """Verbs, for example `get`, `list` and `watch`."""

    def problems(self) -> Iterable[Problem]:
        if not self.verbs:
            yield Problem(("verbs",), "is empty: the rule grants nothing", "list verbs, for example [get, list]")
        if bool(self.resources) == bool(self.non_resource_urls):
            yield Problem(
                ("resources",), "must be given, or nonResourceUrls, and not both", "list resources, for example [pods]"
            )


@block
class RbacArgs(Block):
    """Rights towards the Kubernetes API. MLflow needs none; containers and plugins beside it may.

    Only with rules does the server's pod get a token of its account.
    """

    rules: list[PolicyRuleArgs] = Field(default_factory=list)
    """Rules in the deployment's namespace, as a Role."""
    cluster_rules: list[PolicyRuleArgs] = Field(default_factory=list)
    """Rules in the whole cluster, as a ClusterRole."""

    def problems(self) -> Iterable[Problem]:
        for index, rule in enumerate(self.rules):
            if rule.non_resource_urls:
                path = ("rules", index, "non_resource_urls")
                yield Problem(path, "belongs to no namespace", "move the rule to clusterRules")


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
            yield Problem((), "chooses nobody", "give namespaceLabels, podLabels or both")


@block
class EgressArgs(Block):
    """One more destination of the server's pods, such as a webhook, a gateway's provider or a mail server."""

    cidrs: list[Input[str]] = Field(default_factory=list)
    """Networks in CIDR form; everything but link-local addresses if empty and no pods are chosen."""
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

    Always open: DNS, the database, the artifact store, and the endpoint of the cloud identity where there is one. Other
    link-local addresses, among them those of cloud metadata, stay closed. Needs a network plugin that enforces policies.
    """

    allow_same_namespace: bool = True
    """Pods of the deployment's own namespace may connect to the server."""
    allow_namespaces: list[str] = Field(default_factory=list)
    """Names of namespaces whose pods may connect to the server: those of the ingress controller, of Prometheus, of
    clients."""
    allow_pods: list[NetworkPeerArgs] = Field(default_factory=list)
    """Pods that may connect to the server, chosen by labels."""
    allow_cidrs: list[Input[str]] = Field(default_factory=list)
    """Networks outside the cluster, in CIDR form, that may connect to the server: those of a load balancer or its clients."""
    dns_cidrs: list[Input[str]] = Field(default_factory=list)
    """Addresses of the DNS servers in CIDR form; anywhere on ports 53 and 5353 if empty, since clusters run them in pods, on
    nodes or on link-local addresses."""
    database_cidrs: list[Input[str]] = Field(default_factory=list)
    """Where the database is, in CIDR form, if it is named by a DNS name, whose addresses a policy cannot know. Anywhere but
    link-local addresses, on the database's port, if empty."""
    artifacts_cidrs: list[Input[str]] = Field(default_factory=list)
    """The same for the artifact store."""
    egress: list[EgressArgs] = Field(default_factory=list)
    """Further destinations of the server."""

    def problems(self) -> Iterable[Problem]:
        for index, name in enumerate(self.allow_namespaces):
            for problem in kubernetes_label_name(name, "name", "the name of a namespace"):
                yield Problem(("allow_namespaces", index), problem.message, problem.fix)
        for path in ("allow_cidrs", "dns_cidrs", "database_cidrs", "artifacts_cidrs"):
            yield from cidrs(getattr(self, path), path)


def _ports(ports: list[int]) -> Iterable[Problem]:
    if not ports:
        yield Problem(("ports",), "is empty: the rule opens nothing", "list TCP ports, for example [443]")
    for index, port in enumerate(ports):
        for problem in between(port, 1, 65535, "port"):
            yield Problem(("ports", index), problem.message, problem.fix)
