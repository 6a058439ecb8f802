"""Outside the cluster: an Ingress, or a route of the Gateway API."""

import enum
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field

from ..base import Block, Input, Path, Problem, block, plain
from ..checks import DNS_LABEL, between, kubernetes_label_name, kubernetes_name, labels, pattern, qualified_keys

ROOTS = ("/api", "/ajax-api", "/v1", "/gateway", "/health", "/version", "/metrics", "/static-files", "/get-artifact")
"""First parts of what MLflow serves, for a user who publishes only some of it."""


class PathType(enum.Enum):
    """How a path of an Ingress is compared."""

    PREFIX = "Prefix"
    EXACT = "Exact"
    IMPLEMENTATION_SPECIFIC = "ImplementationSpecific"


@block
class IngressPathArgs(Block):
    """A path of a host, and where it leads."""

    path: str | None = None
    """Path; all that MLflow serves (`server.staticPrefix`, or `/`) if not given."""
    path_type: PathType = PathType.PREFIX
    """How the path is compared."""
    service_name: Input[str] | None = None
    """Another Service in the namespace to lead to, instead of MLflow's."""
    service_port: int | None = None
    """Another port of the Service."""
    service_port_name: str | None = None
    """The same by name."""

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
    """Paths; everything leads to MLflow if not given."""

    def problems(self) -> Iterable[Problem]:
        yield from public_host(self.host, ("host",))
        if not self.paths:
            yield Problem(("paths",), "is empty: the host leads nowhere", "remove it, which leads everything to MLflow")
        yield from duplicates([(path.path, path.path_type) for path in self.paths], ("paths",), "path")


@block
class IngressTlsArgs(Block):
    """A certificate, and the hosts that it is for."""

    secret_name: Input[str] | None = None
    """Existing Secret with the certificate, or the one that cert-manager is to make; the controller's own certificate if
    not given."""
    hosts: list[Input[str]] = Field(default_factory=list)
    """Hosts that the certificate is for; all of the Ingress if empty."""

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
    """Annotations. Those with which the NGINX controller lets large uploads through are there unless given here; for other
    controllers see docs/access.md."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels."""
    hosts: list[IngressHostArgs]
    """Host names; at least one."""
    tls: list[IngressTlsArgs] = Field(default_factory=list)
    """Certificates."""
    https: bool | None = None
    """Clients use HTTPS. Follows from `tls` unless given: true where a load balancer ends TLS by a certificate that
    annotations name."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.class_name, "class_name", "the name of an IngressClass")
        yield from qualified_keys(self.annotations, "annotations")
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

    @property
    def host_names(self) -> list[Input[str]]:
        """All hosts."""
        return [entry.host for entry in self.hosts]

    def secure(self, host: Input[str]) -> bool:
        """Whether clients reach the host by HTTPS; where names are not known yet, whether there are certificates."""
        if self.https is not None:
            return self.https
        known = plain(host)
        return any(
            known is None or not each.hosts or any(plain(n) is None or _covers(n, known) for n in each.hosts)  # type: ignore[arg-type]
            for each in self.tls
        )

    def rewrites(self) -> bool:
        """Whether the controller may change paths on the way, so that nothing can be said of them here."""
        return any("rewrite" in key or "middleware" in key or "replace-path" in key for key in self.annotations)


@block
class ParentRefArgs(Block):
    """A Gateway, or one listener of it."""

    name: Input[str]
    """Name of the Gateway."""
    namespace: Input[str] | None = None
    """Its namespace; the deployment's own if not given."""
    section_name: str | None = None
    """Name of the listener; all that fit if not given."""
    port: int | None = None
    """Port of the listener; all that fit if not given."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.name, "name", "the name of a Gateway")
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from kubernetes_name(self.section_name, "section_name", "the name of a listener")
        yield from between(self.port, 1, 65535, "port")


@block
class RouteTimeoutsArgs(Block):
    """How long a request may take. Uploads go through the server, and large ones take minutes."""

    request: str | None = None
    """From the client's request to the end of the answer, for example `1h` or `90s`; `0s` is for ever. The controller's own
    default if not given."""
    backend_request: str | None = None
    """The same for one attempt towards a pod."""

    def problems(self) -> Iterable[Problem]:
        for name in ("request", "backend_request"):
            # https://gateway-api.sigs.k8s.io/geps/gep-2257/
            yield from pattern(
                getattr(self, name),
                r"([0-9]{1,5}(h|m|s|ms)){1,4}",
                name,
                "a duration",
                "write for example '90s' or '1h30m'",
            )


@block
class RouteArgs(Block):
    """An HTTPRoute of the Gateway API, whose host names the server then answers to."""

    parent_refs: list[ParentRefArgs]
    """Gateways; at least one."""
    hostnames: list[Input[str]]
    """Host names that clients use: DNS names, or `*.` and a domain; at least one."""
    matches: list[dict[str, Any]] = Field(default_factory=list)
    """Matches as the Gateway API writes them; all that MLflow serves (`server.staticPrefix`, or `/`) if empty."""
    filters: list[dict[str, Any]] = Field(default_factory=list)
    """Filters as the Gateway API writes them."""
    timeouts: RouteTimeoutsArgs | None = None
    """How long requests may take."""
    https: bool = True
    """The listeners speak HTTPS. What certificate they use is said in the Gateway."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels."""

    def problems(self) -> Iterable[Problem]:
        if not self.parent_refs:
            yield Problem(("parent_refs",), "is empty", "name the Gateway: [{name: public, namespace: gateways}]")
        if not self.hostnames:
            yield Problem(("hostnames",), "is empty", "give at least one: [mlflow.example.com]")
        for index, host in enumerate(self.hostnames):
            yield from public_host(host, ("hostnames", index))
        yield from duplicates([plain(host) for host in self.hostnames], ("hostnames",), "host")
        for index, entry in enumerate(self.matches):
            if unknown := sorted(set(entry) - {"path", "headers", "queryParams", "method"}):
                path, fix = ("matches", index, unknown[0]), "known keys here: path, headers, queryParams, method"
                yield Problem(path, "unknown key", fix)
        for index, entry in enumerate(self.filters):
            if not isinstance(entry.get("type"), str):
                yield Problem(("filters", index), "has no type", "write for example {type: RequestHeaderModifier, …}")
        yield from qualified_keys(self.annotations, "annotations")
        yield from labels(self.labels, "labels")

    def paths(self) -> list[tuple[Path, str]]:
        """Each path that is compared as it is, and where it is written."""
        found = [(("matches", index, "path"), entry.get("path")) for index, entry in enumerate(self.matches)]
        return [
            (("route", *place), str(path.get("value", "/")))
            for place, path in found
            if isinstance(path, dict) and path.get("type") != "RegularExpression"
        ]

    def rewrites(self) -> bool:
        """Whether a filter changes paths on the way."""
        return any(entry.get("type") in ("URLRewrite", "ExtensionRef") for entry in self.filters)


def public_host(value: Input[str], path: Path) -> Iterable[Problem]:
    """A host as Ingress and HTTPRoute take it: no scheme, port or path, and no address."""
    known = plain(value)
    if not isinstance(known, str):
        return
    bare = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", "", known).split("/")[0].rpartition("@")[2]
    bare = re.sub(r":\d+$", "", bare)
    name = rf"(\*\.)?{DNS_LABEL}(\.{DNS_LABEL})*"
    if bare != known:
        yield Problem(path, f"{known!r} has a scheme, a port or a path", f"give the host alone: {bare.lower()!r}")
    elif re.fullmatch(r"[\d.]+|.*:.*", known) or not re.fullmatch(name, known) or len(known) > 253:
        yield Problem(path, f"{known!r} is not a host name", "give a DNS name in lower case, or '*.' and a domain")


def duplicates(values: Sequence[Any], path: Path, what: str) -> Iterable[Problem]:
    """Entries that are known and were there before."""
    for index, value in enumerate(values):
        if value is not None and value in values[:index]:
            yield Problem((*path, index), f"repeats the {what} of entry {values.index(value)}", "keep one of them")


def unfitting(paths: Iterable[tuple[Path, str]], prefix: str) -> Iterable[Problem]:
    """Paths that MLflow under this prefix does not serve.

    Args:
        paths: Where each is written, and the path.
        prefix: The static prefix of the server.
    """
    for place, path in paths:
        if beneath(prefix or "/", path) or (beneath(path, prefix or "/") and (prefix or _served(path))):
            continue
        if prefix:
            yield Problem(place, f"{path!r} leads past server.staticPrefix {prefix!r}", f"write {prefix!r}, or '/'")
        else:
            fix = f"set server.staticPrefix: {path.rstrip('/')!r}, or write '/'"
            yield Problem(place, f"MLflow serves nothing under {path!r}", fix)


def beneath(path: str, other: str) -> bool:
    """Whether a path is another one or below it."""
    other = other.rstrip("/")
    return path.rstrip("/") == other or path.startswith(f"{other}/")


def _served(path: str) -> bool:
    return any(beneath(path, root) for root in ROOTS)


def _covers(name: str, host: str) -> bool:
    """Whether a certificate's name is for a host; `*` stands for one label."""
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])
