"""What concerns access and more than one block: nothing is published in the open, and whoever is meant to come in can."""

import typing
from collections.abc import Iterable

from ..arguments.access.publishing import unfitting
from ..arguments.access.service import ServiceType
from ..arguments.base import Path, Problem, plain

if typing.TYPE_CHECKING:
    from ..arguments.deployment import MlflowDeploymentArgs

UNGUARDED = ("/static", "/health", "/favicon.ico")
"""MLflow asks for no password under any path that begins so, whatever follows."""


def access_problems(args: "MlflowDeploymentArgs") -> Iterable[Problem]:
    """Problems between the blocks for access, and with the rest."""
    if not args.allow_insecure:
        yield from _published(args)
    yield from _paths(args)
    yield from _peers(args)
    yield from _collection(args)
    monitor = args.monitoring.service_monitor
    elsewhere = monitor is not None and monitor.namespace not in (None, args.namespace)
    if monitor is not None and elsewhere and args.authenticated and monitor.basic_auth is None:
        yield Problem(
            ("monitoring", "service_monitor", "basic_auth"),
            f"is required: figures are for administrators only, and Secrets of {args.namespace!r} are out of reach there",
            f"name a Secret in {monitor.namespace!r} with an administrator's name and password, or leave the namespace out",
        )
    existing = args.identity.existing if args.identity is not None else None
    if existing is not None and existing.service_account_annotations and not args.service_account.create:
        yield Problem(
            ("identity", "existing", "service_account_annotations"),
            "cannot be set on an account that exists already (serviceAccount.create is false)",
            "set them there, and remove them here",
        )
    for name in ("gcp_service_account", "azure_workload_identity"):
        if args.identity is not None and getattr(args.identity, name) is not None and not args.service_account.create:
            message = "cannot annotate an account that exists already (serviceAccount.create is false)"
            yield Problem(("identity", name), message, "let the account be made, or use identity.existing")


def _collection(args: "MlflowDeploymentArgs") -> Iterable[Problem]:
    """What cannot be deleted, or not found."""
    collection = args.garbage_collection
    if collection is None:
        return
    if args.database.none is not None:
        message = "reads in the database what was deleted, and there is none"
        yield Problem(("garbage_collection",), message, "move it to the deployment that has the database")
    if collection.all_workspaces and args.server.workspaces is None:
        message = "asks for workspaces, and the server has none"
        yield Problem(("garbage_collection", "all_workspaces"), message, "remove it, or switch server.workspaces on")
    # https://github.com/mlflow/mlflow/blob/v3.17.2/mlflow/store/artifact/ftp_artifact_repo.py
    uri = args.artifacts.uri
    roots = [plain(args.artifacts.default_root), plain(uri.uri) if uri is not None else None]
    if args.artifacts.ftp is not None or any(str(root).startswith("ftp:") for root in roots):
        message = "would stop at the first run: MLflow deletes nothing on FTP servers"
        yield Problem(("garbage_collection",), message, "remove it, or keep artifacts elsewhere, for example on SFTP")


def _published(args: "MlflowDeploymentArgs") -> Iterable[Problem]:
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
        ways.append((("route",), "the HTTPRoute", "configure auth, and HTTPS in the Gateway", route.https))
    for path, what, instead, secure in ways:
        open_to_all = [] if args.authenticated else ["that asks nobody for a password"]
        in_clear = [] if secure else ["that is reached without TLS"]
        if reasons := " and ".join(open_to_all + in_clear):
            fix = f"{instead}, or accept it in writing with allowInsecure: true"
            yield Problem(path, f"{what} publishes a server {reasons}", fix)


def _paths(args: "MlflowDeploymentArgs") -> Iterable[Problem]:
    """What is published is what MLflow serves."""
    prefix = args.server.static_prefix
    for start in UNGUARDED:
        if prefix.startswith(start):
            message = f"{prefix!r} begins with {start!r}, under which MLflow never asks for a password"
            yield Problem(("server", "static_prefix"), message, "choose another one")
    ingress, route = args.ingress, args.route
    if ingress is not None and not ingress.rewrites():
        paths = (
            (("ingress", "hosts", number, "paths", index, "path"), entry.path)
            for number, host in enumerate(ingress.hosts)
            for index, entry in enumerate(host.paths)
            if entry.path is not None and entry.service_name is None
        )
        yield from unfitting(paths, prefix)
    if route is not None and not route.rewrites():
        yield from unfitting(route.paths(), prefix)


def _peers(args: "MlflowDeploymentArgs") -> Iterable[Problem]:
    """Who comes by a published way is not kept out by the network policy."""
    policy = args.network_policy
    if policy is None or policy.allow_cidrs:
        return
    if args.service.type is not ServiceType.CLUSTER_IP:
        yield Problem(
            ("network_policy", "allow_cidrs"),
            f"is empty, and clients of a Service of type {args.service.type.value} come from outside the cluster",
            "list their networks, for example ['10.0.0.0/8']",
        )
    elif (args.ingress or args.route) and not policy.allow_namespaces and not policy.allow_pods:
        yield Problem(
            ("network_policy", "allow_namespaces"),
            "is empty, so that the controller of the Ingress or Gateway is kept out",
            "name its namespace, for example [ingress-nginx]",
        )
