"""The server is not published without protection, and clients that may use it can reach it."""

from collections.abc import Iterable, Iterator

from ..arguments import MlflowDeploymentArgs, ServiceType
from ..arguments.access.ingress import OUTSIDE
from ..arguments.base import ACCEPT, Path, Problem, plain

UNGUARDED = ("/static", "/health", "/favicon.ico")
"""Path prefixes under which MLflow does not authenticate requests."""
ROOTS = ("/api", "/ajax-api", "/v1", "/gateway", "/health", "/version", "/metrics", "/static-files", "/get-artifact")
"""Path prefixes that MLflow serves, for users who publish only some of them."""


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Problems between Service, Ingress, route, network policy and the server behind them."""
    if not args.allow_insecure:
        yield from _published(args)
        for index, network in enumerate(args.server.trusted_proxies):
            if str(plain(network)).endswith("/0"):
                message = f"{plain(network)!r} is everybody, who could then claim any address and any scheme"
                fix = f"list the networks of the proxies, {ACCEPT}"
                yield Problem(("server", "trusted_proxies", index), message, fix)
    yield from _kept(args)
    yield from _paths(args)
    yield from _peers(args)


def _published(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """What is reachable from outside the cluster needs authentication and TLS."""
    service, ingress, route = args.service, args.ingress, args.route
    ways: list[tuple[Path, str, str, bool]] = []
    if service.type is not ServiceType.CLUSTER_IP:
        secure = args.serves_tls or service.https
        ways.append((("service", "type"), repr(service.type.value), "use ClusterIP", secure))
    if ingress is not None:
        secure = all(ingress.secure(entry.host) for entry in ingress.hosts)
        ways.append((("ingress",), "the Ingress", "configure auth, and tls here", secure))
    if route is not None:
        ways.append(
            (
                ("route",),
                "the HTTPRoute",
                "configure auth, and name the listener for HTTPS (port: 443) or say https: true",
                route.secure,
            )
        )
    for path, what, instead, secure in ways:
        open_to_all = [] if args.authenticated else ["without authentication"]
        in_clear = [] if secure else ["without TLS"]
        if reasons := " and ".join(open_to_all + in_clear):
            fix = f"{instead}, {ACCEPT}"
            yield Problem(path, f"{what} publishes a server {reasons}", fix)


def _kept(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Who stands in front gives up an idle connection before the server does."""
    own = args.keep_alive_seconds
    for where, who, block in (
        (("ingress", "annotations"), "controller of the Ingress", args.ingress),
        (("route",), "Gateway", args.route),
    ):
        kept = block.kept_seconds if block is not None else 0
        if kept >= own:
            message = f"{own} is not longer than the {kept} seconds for which the {who} keeps idle connections"
            fix = f"use {kept + 20} or more, or a shorter time there"
            yield Problem(("server", "keep_alive_seconds"), message, fix, either=(where,))
            return


def _paths(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Published paths must be paths that MLflow serves."""
    prefix = args.server.static_prefix
    for start in UNGUARDED:
        if prefix.startswith(start):
            message = f"{prefix!r} starts with {start!r}, under which MLflow does not authenticate requests"
            yield Problem(("server", "static_prefix"), message, "choose another one")
    ingress, route = args.ingress, args.route
    if ingress is not None and not ingress.rewrites():
        paths = (
            (("ingress", "hosts", number, "paths", index, "path"), entry.path)
            for number, host in enumerate(ingress.hosts)
            for index, entry in enumerate(host.paths)
            if entry.path is not None and entry.service_name is None
        )
        yield from _unfitting(paths, prefix)
    if route is not None and not route.rewrites():
        yield from _unfitting(route.paths(), prefix)


def _unfitting(paths: Iterable[tuple[Path, str]], prefix: str) -> Iterator[Problem]:
    """Paths that MLflow does not serve under this prefix.

    Args:
        paths: Where each path is given, and the path.
        prefix: The static prefix of the server.
    """
    for place, path in paths:
        if _beneath(prefix or "/", path) or (_beneath(path, prefix or "/") and (prefix or _served(path))):
            continue
        if prefix:
            yield Problem(place, f"{path!r} is outside server.staticPrefix {prefix!r}", f"write {prefix!r}, or '/'")
        else:
            fix = f"set server.staticPrefix: {path.rstrip('/')!r}, or write '/'"
            yield Problem(place, f"MLflow serves nothing under {path!r}", fix)


def _beneath(path: str, other: str) -> bool:
    """Whether a path is another one or below it."""
    other = other.rstrip("/")
    return path.rstrip("/") == other or path.startswith(f"{other}/")


def _served(path: str) -> bool:
    return any(_beneath(path, root) for root in ROOTS)


def _peers(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """The network policy must not block clients of what is published."""
    policy = args.network_policy
    if policy is None or policy.allow_cidrs:
        return
    if args.service.type is not ServiceType.CLUSTER_IP:
        yield Problem(
            ("network_policy", "allow_cidrs"),
            f"is empty, and clients of a Service of type {args.service.type.value} come from outside the cluster",
            "list their networks, for example ['10.0.0.0/8']",
        )
    elif args.ingress is not None and (balancer := args.ingress.controller) in OUTSIDE:
        message = (
            f"is empty, which blocks the load balancer of the Ingress class {balancer!r}: it is outside the cluster"
        )
        yield Problem(("network_policy", "allow_cidrs"), message, "list its subnets: docs/network.md")
    elif args.route is not None and args.route.of_google:
        message = (
            f"is empty, which blocks the load balancer of {args.route.gateway_class_name!r}: it is outside the cluster"
        )
        yield Problem(("network_policy", "allow_cidrs"), message, "list its networks: docs/network.md")
    elif (args.ingress or args.route) and not policy.allow_namespaces and not policy.allow_pods:
        yield Problem(
            ("network_policy", "allow_namespaces"),
            "is empty, which blocks the controller of the Ingress or Gateway",
            "name its namespace, for example [ingress-nginx]",
        )
