"""An HTTPRoute of the Gateway API for the Service."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from ..base import Block, Input, Path, Problem, block, plain, sort_of
from ..checks import between, duplicates, kubernetes_label_name, kubernetes_name, labels, pattern, qualified_keys
from .hosts import public_host

__all__ = ["ParentRefArgs", "RouteArgs", "RouteTimeoutsArgs"]


@block
class ParentRefArgs(Block):
    """A Gateway, or one listener of it."""

    name: Input[str]
    """Name of the Gateway."""
    namespace: Input[str] | None = None
    """Its namespace; the deployment's own if not given."""
    section_name: str | None = None
    """Name of the listener; all that match if not given."""
    port: int | None = None
    """Port of the listener; all that match if not given."""

    @property
    def https(self) -> bool | None:
        """Whether the listener speaks HTTPS, by its port or its name; None if that cannot be told."""
        if self.port in (80, 443):
            return self.port == 443
        name = self.section_name or ""
        return True if name.startswith("https") else False if name.startswith("http") else None

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.name, "name", "the name of a Gateway")
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from kubernetes_name(self.section_name, "section_name", "the name of a listener")
        yield from between(self.port, 1, 65535, "port")


@block
class RouteTimeoutsArgs(Block):
    """How long a request may take. Uploads go through the server, and large ones take minutes."""

    request: str | None = None
    """From the client's request to the end of the response, for example `1h` or `90s`; `0s` is unlimited. The controller's
    default if not given."""
    backend_request: str | None = None
    """The same for one attempt at a pod."""

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
        whole, attempt = _seconds(self.request), _seconds(self.backend_request)
        if whole and attempt and attempt > whole:
            message = f"{self.backend_request!r} is more than request, {self.request!r}, which the Gateway API refuses"
            yield Problem(("backend_request",), message, "lower it, or raise request")


def _seconds(duration: str | None) -> float:
    """A duration of the Gateway API; 0 if it is none, or unlimited."""
    scale = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(number) * scale[unit] for number, unit in re.findall(r"(\d+)(h|ms|m|s)", duration or ""))


@block
class RouteArgs(Block):
    """An HTTPRoute of the Gateway API, whose host names the server then answers to."""

    parent_refs: list[ParentRefArgs]
    """Gateways; at least one."""
    hostnames: list[Input[str]]
    """Host names that clients use: DNS names, or `*.` and a domain; at least one."""
    matches: list[dict[str, Any]] = Field(default_factory=list)
    """Matches, as in the Gateway API; all that MLflow serves (`server.staticPrefix`, or `/`) if empty."""
    filters: list[dict[str, Any]] = Field(default_factory=list)
    """Filters, as in the Gateway API."""
    timeouts: RouteTimeoutsArgs | None = None
    """How long requests may take."""
    https: bool | None = None
    """Clients use HTTPS, with certificates that the Gateway names. Follows from `parentRefs` unless given: true if each of them has
    `port: 443` or a `sectionName` that begins with `https`. Without either, a route is on all listeners of the Gateway, and nobody
    here knows what they speak."""
    gateway_class_name: str | None = None
    """GatewayClass of the Gateways, if it is one of GKE's (`gke-l7-…`): their health checks and times are then set by policies."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.gateway_class_name, "gateway_class_name", "the name of a GatewayClass")
        for index, parent in enumerate(self.parent_refs):
            if self.https and parent.https is False:
                message = f"is true, but parentRefs[{index}] names a listener for HTTP"
                yield Problem(("https",), message, "name the one for HTTPS (port: 443), or set https: false")
        if not self.parent_refs:
            yield Problem(("parent_refs",), "is empty", "name the Gateway: [{name: public, namespace: gateways}]")
        if not self.hostnames:
            yield Problem(("hostnames",), "is empty", "give at least one: [mlflow.example.com]")
        for index, host in enumerate(self.hostnames):
            yield from public_host(host, ("hostnames", index))
        yield from duplicates([plain(host) for host in self.hostnames], ("hostnames",), "host")
        parents = [(plain(p.name), plain(p.namespace), p.section_name, p.port) for p in self.parent_refs]
        unknown = [None in (plain(p.name), "" if p.namespace is None else plain(p.namespace)) for p in self.parent_refs]
        known = [None if output else parent for output, parent in zip(unknown, parents, strict=True)]
        yield from duplicates(known, ("parent_refs",), "Gateway and listener")
        for index, entry in enumerate(self.matches):
            path = entry.get("path")
            if path is not None and not isinstance(path, dict):
                fix = "write for example {type: PathPrefix, value: /mlflow}"
                yield Problem(("matches", index, "path"), f"expected a mapping, got {sort_of(path)}", fix)
            if unknown := sorted(set(entry) - {"path", "headers", "queryParams", "method"}):
                path, fix = ("matches", index, unknown[0]), "known keys here: path, headers, queryParams, method"
                yield Problem(path, "unknown key", fix)
        for index, entry in enumerate(self.filters):
            if not isinstance(entry.get("type"), str):
                yield Problem(("filters", index), "has no type", "write for example {type: RequestHeaderModifier, …}")
        yield from qualified_keys(self.annotations, "annotations")
        yield from labels(self.labels, "labels")

    @property
    def kept_seconds(self) -> int:
        """How long the Gateway keeps idle connections to pods, as far as is known: docs/network.md."""
        return 600 if self.of_google else 0

    @property
    def of_google(self) -> bool:
        """Whether the Gateways are load balancers of Google."""
        return (self.gateway_class_name or "").startswith("gke-l7-")

    @property
    def schemes(self) -> list[str]:
        """By which schemes clients may come; both where nobody has said."""
        known = {parent.https for parent in self.parent_refs} if self.https is None else {self.https}
        return [scheme for scheme, https in (("https", True), ("http", False)) if known & {https, None}]

    @property
    def secure(self) -> bool:
        """Whether they are known to come by HTTPS alone."""
        return self.schemes == ["https"]

    def paths(self) -> list[tuple[Path, str]]:
        """Each path that is matched literally, and where it is given."""
        found = [(("matches", index, "path"), entry.get("path")) for index, entry in enumerate(self.matches)]
        return [
            (("route", *place), str(path.get("value", "/")))
            for place, path in found
            if isinstance(path, dict) and path.get("type") != "RegularExpression"
        ]

    def rewrites(self) -> bool:
        """Whether a filter rewrites paths."""
        return any(entry.get("type") in ("URLRewrite", "ExtensionRef") for entry in self.filters)
