"""The Service in front of the server's pods."""

import enum
import re
from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block, plain
from ..checks import between, cidrs, labels, pattern, qualified_keys

__all__ = ["IpFamily", "IpFamilyPolicy", "ServiceArgs", "ServicePortArgs", "ServiceType"]


OWN_ANNOTATIONS = "mlflow-deployment/"
"""Prefix of annotations of the Service that the component reads at the next update."""


class ServiceType(enum.Enum):
    """How the Service is published."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class IpFamily(enum.Enum):
    """Kind of address."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


class IpFamilyPolicy(enum.Enum):
    """How many addresses a Service has: https://kubernetes.io/docs/concepts/services-networking/dual-stack/."""

    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


@block
class ServicePortArgs(Block):
    """An additional port of the Service, for a sidecar of the server."""

    name: str
    """Name of the port, not `http`."""
    port: int
    """Port of the Service."""
    target_port: int
    """Port of the container."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(
            self.name,
            r"(?!https?$)(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?",
            "name",
            "the name of a further port",
            "use at most 15 lower-case letters, digits and hyphens, and neither 'http' nor 'https'",
        )
        yield from between(self.port, 1, 65535, "port")
        yield from between(self.target_port, 1, 65535, "target_port")


@block
class ServiceArgs(Block):
    """The Service in front of the pods."""

    type: ServiceType = ServiceType.CLUSTER_IP
    """`NodePort` and `LoadBalancer` publish the server: they require authentication and `https`, or `allowInsecure`. Add the
    address that clients use to `server.allowedHosts`, since it is not known in advance."""
    port: int = 80
    """Port of the Service."""
    node_port: int | None = None
    """Port on each node, with the types `NodePort` and `LoadBalancer`; chosen by the cluster if not given."""
    ip_family_policy: IpFamilyPolicy | None = None
    """Whether it has an address of each family: `SingleStack`, `PreferDualStack` where the cluster has both, or
    `RequireDualStack`; one of the cluster's first family if not given."""
    ip_families: list[IpFamily] = Field(default_factory=list)
    """`IPv4`, `IPv6` or both, the first one for its main address; the cluster's own order if empty. Pods listen on whatever
    addresses they have."""
    load_balancer_class: str | None = None
    """Which controller creates the load balancer, for example `service.k8s.aws/nlb`; the cluster's default if not given."""
    load_balancer_source_ranges: list[Input[str]] = Field(default_factory=list)
    """Networks in CIDR form that may reach the load balancer; all if empty."""
    https: bool = False
    """Whether the load balancer terminates TLS, with a certificate named in `annotations`."""
    extra_ports: list[ServicePortArgs] = Field(default_factory=list)
    """Additional ports, for sidecars of the server."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations of the Service."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of the Service."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.port, 1, 65535, "port")
        yield from between(self.node_port, 1, 65535, "node_port")
        yield from pattern(
            self.load_balancer_class,
            r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?",
            "load_balancer_class",
            "the class of a load balancer",
            "write it as name or domain/name",
        )
        yield from cidrs(self.load_balancer_source_ranges, "load_balancer_source_ranges")
        yield from qualified_keys(
            self.annotations, "annotations", [key for key in self.annotations if key.startswith(OWN_ANNOTATIONS)]
        )
        yield from labels(self.labels, "labels")
        if self.node_port is not None and self.type is ServiceType.CLUSTER_IP:
            yield Problem(
                ("node_port",), "is given for a Service of type ClusterIP", "set type: NodePort, or remove it"
            )
        if self.type is not ServiceType.LOAD_BALANCER:
            for name in ("load_balancer_class", "load_balancer_source_ranges", "https"):
                if getattr(self, name):
                    message = f"is given for a Service of type {self.type.value}"
                    yield Problem((name,), message, "set type: LoadBalancer, or remove it")
        # Some clouds (Linode) take it as a part of a value.
        telling = "cert|ssl|tls", "cert|tls-?secret"
        given = [(key.lower(), str(plain(value)).lower()) for key, value in self.annotations.items()]
        if self.https and not any(
            re.search(words, text) for each in given for words, text in zip(telling, each, strict=True)
        ):
            message = "is true, but no annotation names a certificate"
            yield Problem(
                ("https",),
                message,
                "give the one of your cloud in annotations, for example service.beta.kubernetes.io/aws-load-balancer-ssl-cert",
            )
        if len(set(self.ip_families)) < len(self.ip_families):
            yield Problem(("ip_families",), "names a family twice", "name each once")
        elif len(self.ip_families) == 2 and self.ip_family_policy in (None, IpFamilyPolicy.SINGLE_STACK):
            message = "names two families, and a Service has one address unless ipFamilyPolicy says otherwise"
            fix = "set ipFamilyPolicy to PreferDualStack or RequireDualStack, or name one family"
            yield Problem(("ip_families",), message, fix, either=(("ip_family_policy",),))
        for what in ("name", "port"):
            seen = {} if what == "name" else {self.port: "port"}
            for index, extra in enumerate(self.extra_ports):
                value = getattr(extra, what)
                if value in seen:
                    yield Problem(
                        ("extra_ports", index, what), f"{value!r} is used by {seen[value]} as well", "choose another"
                    )
                seen.setdefault(value, f"extraPorts[{index}]")
