"""An Ingress for the Service."""

import enum
import re
from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block, plain
from ..checks import (
    DNS_LABEL,
    between,
    duplicates,
    kubernetes_label_name,
    kubernetes_name,
    labels,
    pattern,
    qualified_keys,
)
from .hosts import public_host

__all__ = ["IngressArgs", "IngressHostArgs", "IngressPathArgs", "IngressTlsArgs", "PathType"]


ALB_IDLE_SECONDS = 600
"""What an AWS load balancer is told by default. Its own 60 seconds end a request while the store takes a large artifact in."""
KEPT_SECONDS = {
    "alb": ALB_IDLE_SECONDS,
    **dict.fromkeys(("gce", "gce-internal"), 600),
    "haproxy": 60,
    "nginx": 60,
    "openshift-default": 300,
    "traefik": 90,
}
"""How long controllers keep idle connections to pods, by the names that their makers give their classes: docs/network.md."""


OUTSIDE = ("alb", "gce", "gce-internal", "azure-application-gateway", "azure/application-gateway")
"""Classes of load balancers outside the cluster, which send requests to pods from networks of their own."""
_CLASS = "kubernetes.io/ingress.class"
"""The annotation that was there before the field, and that some controllers still read alone."""


class PathType(enum.Enum):
    """How a path of an Ingress is matched."""

    PREFIX = "Prefix"
    EXACT = "Exact"
    IMPLEMENTATION_SPECIFIC = "ImplementationSpecific"


@block
class IngressPathArgs(Block):
    """A path of a host, and the Service behind it."""

    path: str | None = None
    """Path; all that MLflow serves (`server.staticPrefix`, or `/`) if not given."""
    path_type: PathType = PathType.PREFIX
    """How the path is matched."""
    service_name: Input[str] | None = None
    """Another Service in the namespace to route to, instead of MLflow's."""
    service_port: int | None = None
    """Another port of the Service."""
    service_port_name: str | None = None
    """Name of that port, instead of its number."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(self.path, r"/[^\s?#]*", "path", "a path", "start it with a slash")
        yield from kubernetes_label_name(self.service_name, "service_name", "the name of a Service")
        yield from between(self.service_port, 1, 65535, "service_port")
        yield from pattern(
            self.service_port_name, DNS_LABEL, "service_port_name", "the name of a port", "use the name in the Service"
        )
        if self.service_port is not None and self.service_port_name is not None:
            yield Problem(("service_port_name",), "is given as well as servicePort", "keep one of them")
        if self.service_name is not None and self.service_port is None and self.service_port_name is None:
            yield Problem(("service_port",), "is required with serviceName", "give servicePort or servicePortName")


@block
class IngressHostArgs(Block):
    """A host name that clients use, and its paths."""

    host: Input[str]
    """DNS name, or `*.` and a domain."""
    paths: list[IngressPathArgs] = Field(default_factory=lambda: [IngressPathArgs()])
    """Paths; everything is routed to MLflow if not given."""

    def problems(self) -> Iterable[Problem]:
        yield from public_host(self.host, ("host",))
        if not self.paths:
            yield Problem(("paths",), "is empty: nothing is routed", "remove it to route everything to MLflow")
        yield from duplicates([(path.path, path.path_type) for path in self.paths], ("paths",), "path")


@block
class IngressTlsArgs(Block):
    """A certificate, and the hosts that it is for."""

    secret_name: Input[str] | None = None
    """Existing Secret with the certificate, or the one that cert-manager is to create; the controller's default
    certificate if not given."""
    hosts: list[Input[str]] = Field(default_factory=list)
    """Hosts that the certificate is for; all hosts of the Ingress if empty."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.secret_name, "secret_name", "the name of a Secret")
        for index, host in enumerate(self.hosts):
            yield from public_host(host, ("hosts", index))


@block
class IngressArgs(Block):
    """An Ingress, whose hosts the server then answers to."""

    class_name: Input[str] | None = None
    """IngressClass; the cluster's default if not given."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations. What the controller of `className` must know of the server (health checks, sizes and times of requests) is there
    unless given here: docs/network.md."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels."""
    hosts: list[IngressHostArgs]
    """Host names; at least one."""
    tls: list[IngressTlsArgs] = Field(default_factory=list)
    """Certificates."""
    https: bool | None = None
    """Whether clients use HTTPS; derived from `tls` if not given. Set it to true if a load balancer terminates TLS with a
    certificate named in the annotations."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.class_name, "class_name", "the name of an IngressClass")
        yield from qualified_keys(self.annotations, "annotations")
        if self.class_name is not None and _CLASS in self.annotations:
            message = "is given as well as className, which Kubernetes refuses"
            yield Problem(("annotations", _CLASS), message, "keep one of them")
        yield from labels(self.labels, "labels")
        if not self.hosts:
            yield Problem(("hosts",), "is empty", "give at least one: [{host: mlflow.example.com}]")
        yield from duplicates([plain(entry.host) for entry in self.hosts], ("hosts",), "host")
        known = {plain(entry.host) for entry in self.hosts}
        certified: dict[str, int] = {}
        for index, certificate in enumerate(self.tls):
            for position, host in enumerate(certificate.hosts):
                name, path = plain(host), ("tls", index, "hosts", position)
                if name is None:
                    continue
                if None not in known and not any(_covers(name, str(other)) for other in known):
                    yield Problem(path, f"{name!r} is not among the hosts", "add it to hosts, or remove it here")
                elif name in certified:
                    yield Problem(path, f"{name!r} is in tls[{certified[name]}] as well", "keep one of them")
                certified.setdefault(name, index)

    def insecure(self) -> Iterable[Problem]:
        for key, value in self.annotations.items():
            if re.search(r"/(force-)?ssl-redirect$", key) and str(plain(value)).lower() in ("false", "0", "off"):
                message = "lets browsers send passwords by http://, from which they are redirected by default"
                yield Problem(("annotations", key), message, "remove it")

    @property
    def host_names(self) -> list[Input[str]]:
        """All hosts."""
        return [entry.host for entry in self.hosts]

    def secure(self, host: Input[str]) -> bool:
        """Whether clients reach the host over HTTPS; if names are not known yet, whether there are certificates."""
        if self.https is not None:
            return self.https
        known = plain(host)
        return any(
            known is None or not each.hosts or any(plain(n) is None or _covers(n, known) for n in each.hosts)  # type: ignore[arg-type]
            for each in self.tls
        )

    @property
    def controller(self) -> str:
        """The class in the field or in the annotation, as far as it is known."""
        return str(plain(self.class_name) or plain(self.annotations.get(_CLASS)) or "")

    @property
    def kept_seconds(self) -> int:
        """How long the controller keeps idle connections to pods, as far as is known."""
        told = [plain(value) for key, value in self.annotations.items() if key.endswith("/load-balancer-attributes")]
        found = re.search(r"\bidle_timeout\.timeout_seconds=(\d+)", str(told[0])) if told else None
        return int(found[1]) if found else KEPT_SECONDS.get(self.controller, 0)

    def rewrites(self) -> bool:
        """Whether the controller may rewrite paths, in which case they cannot be checked here."""
        return any("rewrite" in key or "middleware" in key or "replace-path" in key for key in self.annotations)


def _covers(name: str, host: str) -> bool:
    """Whether a certificate's name is for a host; `*` stands for one label."""
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])
