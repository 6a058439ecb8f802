"""The tracking server's Deployment."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input, ProbeArgs
from ..arguments.checks import amount
from ..arguments.manifests import in_camel_case
from ..arguments.reserved import PORT_NAME, UNSPECIFIED
from ..labels import SERVER_CONTAINER
from . import tls
from .addresses import ALL_ADDRESSES, allowed_hosts, allowed_origins
from .containers import drain, mlflow_container, template, user_containers
from .environment import plain_environment
from .front import DRAIN, SERVE, front
from .part import PodPart, join
from .ports import known_while_unchanged
from .scope import Scope
from .volumes import TMP


def deployment(
    scope: Scope,
    part: PodPart,
    *,
    exclusive: bool,
    first: Sequence[pulumi.Resource],
    after: Sequence[pulumi.Resource],
) -> k8s.apps.v1.Deployment:
    """The server's pods.

    Args:
        scope: The deployment.
        part: Additions of stores, keys, authentication and metrics; may include a proxy.
        exclusive: Whether only one pod at a time may hold the volumes, so that the old pod must stop before a new one starts.
        first: First objects in the cluster, which generated values wait for.
        after: Resources that must exist before any pod of this version starts.
    """
    args = scope.args
    server = args.server
    strategy = k8s.apps.v1.DeploymentStrategyArgs(type="Recreate")
    if not exclusive:
        strategy = k8s.apps.v1.DeploymentStrategyArgs(
            type="RollingUpdate",
            rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(
                max_surge=server.max_surge, max_unavailable=server.max_unavailable
            ),
        )
    options = scope.options if args.names.deployment else scope.lasting
    metadata = scope.metadata(
        "server",
        scope.deployment_name,
        extra_labels=args.pod.deployment_labels,
        annotations=args.pod.deployment_annotations or None,
    )
    whole = join(front(scope, part), part, PodPart() if part.proxy_port else tls.serving(scope), _user_part(scope))
    ports = _ports(scope, whole, first)
    whole = dataclasses.replace(
        whole,
        containers=[_with_ports(each, ports) for each in whole.containers],
        init_containers=[_with_ports(each, ports) for each in whole.init_containers],
    )
    return k8s.apps.v1.Deployment(
        f"{scope.name}-server",
        metadata=metadata,
        spec=k8s.apps.v1.DeploymentSpecArgs(
            # Left to the autoscaler: otherwise each `up` would reset it.
            replicas=server.replicas if args.autoscaling is None else None,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=scope.selector()),
            strategy=strategy,
            progress_deadline_seconds=server.progress_deadline_seconds,
            revision_history_limit=server.revision_history_limit,
            template=template(
                scope,
                whole,
                [_with_ports(_container(scope, whole), ports)],
                metadata=scope.pod_metadata("server"),
                scratch=args.pod.tmp_size,
                scratch_claim=args.pod.tmp_volume,
                token=bool(args.rbac.rules or args.rbac.cluster_rules),
                host_aliases=_host_aliases(scope),
                termination_grace_period_seconds=server.drain_seconds + server.shutdown_grace_seconds,
                topology_spread_constraints=_spread(scope),
            ),
        ),
        opts=options(
            depends_on=list(after),
            custom_timeouts=scope.start_timeouts(args.most_replicas),
            # The provider takes the update of a `Recreate` for done while the old pod is still counted, and succeeds before the new
            # one has started. It waits for a new Deployment properly; the old pod ends before either.
            replace_on_changes=["spec.template"] if exclusive else None,
            delete_before_replace=True if exclusive else None,
        ),
    )


def entrance(scope: Scope, part: PodPart) -> int:
    """Port at which requests enter a pod: the proxy's, or the server's own."""
    return scope.args.server.port if part.proxy_port is None else part.proxy_port


def _user_part(scope: Scope) -> PodPart:
    """The user's containers, volumes and mounts."""
    pod = scope.args.pod
    return PodPart(
        init_containers=user_containers(pod.part("init_containers")),
        containers=user_containers(pod.part("containers")),
        volumes=pod.part("volumes"),
        mounts=pod.part("mounts"),
    )


def _ports(scope: Scope, part: PodPart, first: Sequence[pulumi.Resource]) -> pulumi.Output[bool]:
    """True, and in a preview known only while no container of the pod has another port than before."""
    pod = scope.args.pod
    theirs = [
        [port.get("name"), port.get("containerPort")]
        for field in ("init_containers", "containers")
        for container in pod.part(field)
        for port in container.get("ports") or ()
    ]
    return known_while_unchanged(scope, "server", True, [entrance(scope, part), *theirs], first)


def _with_ports(container: Any, known: pulumi.Output[bool]) -> Any:
    """A container, whose ports depend on that."""
    ports = container.get("ports") if isinstance(container, Mapping) else container.ports
    if not ports:
        return container
    later = known.apply(lambda _: ports)
    if isinstance(container, Mapping):
        return {**container, "ports": later}
    container.ports = later
    return container


def _container(scope: Scope, part: PodPart) -> k8s.core.v1.ContainerArgs:
    args = scope.args
    server, pod = args.server, args.pod
    behind_proxy = part.proxy_port is not None
    host, port = _host(scope, behind_proxy=behind_proxy), entrance(scope, part)
    health = k8s.core.v1.HTTPGetActionArgs(
        path=f"{server.static_prefix}/health",
        # By number: the kubelet only looks up names among the ports of this container.
        port=port,
        scheme=None if server.tls is None else "HTTPS",
    )
    addresses = [_field("POD_IP", "status.podIP"), _field("POD_IPS", "status.podIPs")]
    own = PodPart(environment=[*addresses, *plain_environment(_environment(scope, port))])
    return mlflow_container(
        scope,
        SERVER_CONTAINER,
        join(own, part),
        pod.resources,
        command=[*part.launcher, *SERVE],
        arguments=[
            *([] if host is None else [f"--host={host}"]),
            *_arguments(scope, behind_proxy=behind_proxy),
            *part.arguments,
        ],
        user=scope.user,
        disk=_disk(scope),
        working_dir=TMP,
        ports=None if behind_proxy else [k8s.core.v1.ContainerPortArgs(name=PORT_NAME, container_port=server.port)],
        # Frequent at startup, so that a pod serves within a second of being able to; patient afterwards, to spare a server
        # that is merely busy.
        startup_probe=k8s.core.v1.ProbeArgs(
            http_get=health, period_seconds=1, timeout_seconds=5, failure_threshold=server.startup_timeout_seconds
        ),
        # Often, so that a pod that is about to end is taken for not ready in time; one that is merely busy has the timeouts.
        readiness_probe=_probe(health, pod.probes.readiness, period=2, timeout=5, failures=3),
        liveness_probe=_probe(health, pod.probes.liveness, period=20, timeout=10, failures=6),
        lifecycle=drain(scope, DRAIN),
    )


def _disk(scope: Scope) -> str:
    """What the container needs of its node's disk: for logs, and for files that go through `/tmp`.

    Where requests are limits (GKE Autopilot), a pod that writes more is ended.
    """
    args = scope.args
    kept = (amount(args.pod.tmp_size) or 0) if args.artifacts.spooled and args.pod.tmp_volume is None else 0
    return f"{256 + math.ceil(kept / 2**20)}Mi"


def _probe(
    health: k8s.core.v1.HTTPGetActionArgs, given: ProbeArgs, *, period: int, timeout: int, failures: int
) -> k8s.core.v1.ProbeArgs:
    return k8s.core.v1.ProbeArgs(
        http_get=health,
        period_seconds=given.period_seconds or period,
        timeout_seconds=given.timeout_seconds or timeout,
        failure_threshold=given.failure_threshold or failures,
    )


def _field(name: str, path: str) -> k8s.core.v1.EnvVarArgs:
    field = k8s.core.v1.ObjectFieldSelectorArgs(field_path=path)
    return k8s.core.v1.EnvVarArgs(name=name, value_from=k8s.core.v1.EnvVarSourceArgs(field_ref=field))


def _host(scope: Scope, *, behind_proxy: bool) -> str | None:
    """What the server listens on: None for all addresses of the pod, of either family. What must not reach it is for network
    policies."""
    if behind_proxy:
        return "127.0.0.1"
    # MLflow writes it into the URL of its job runner, where nothing would be no host.
    return ALL_ADDRESSES if scope.args.server.job_execution else None


def _host_aliases(scope: Scope) -> list[k8s.core.v1.HostAliasArgs]:
    if not scope.args.server.job_execution:
        return []
    addresses = UNSPECIFIED
    return [k8s.core.v1.HostAliasArgs(ip=address, hostnames=[ALL_ADDRESSES]) for address in addresses]


def _arguments(scope: Scope, *, behind_proxy: bool) -> list[str]:
    server = scope.args.server
    line = [f"--port={server.port}", f"--workers={server.workers}"]
    if server.static_prefix:
        line.append(f"--static-prefix={server.static_prefix}")
    # Who speaks for whom is decided by `in_image/front.py`.
    uvicorn: dict[str, Any] = {"timeout-keep-alive": scope.args.keep_alive_seconds, "no-proxy-headers": True}
    if server.log_level is not None:
        uvicorn["log-level"] = server.log_level.value.lower()
    if server.tls is not None and not behind_proxy:
        uvicorn |= {"ssl-certfile": f"{tls.DIRECTORY}/tls.crt", "ssl-keyfile": f"{tls.DIRECTORY}/tls.key"}
    # MLflow takes them apart as a shell does.
    line.append(f"--uvicorn-opts={shlex.join(_options({**uvicorn, **server.uvicorn}))}")
    return [*line, *_options(server.options)]


def _options(options: Mapping[str, Any]) -> list[str]:
    given = {option: value for option, value in options.items() if value is not False}
    return [f"--{option}" if value is True else f"--{option}={value}" for option, value in given.items()]


def _environment(scope: Scope, port: int) -> dict[str, Input[str]]:
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": allowed_hosts(scope, port),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": allowed_origins(scope),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true" if scope.args.server.job_execution else "false",
    }


def _spread(scope: Scope) -> list[Any] | None:
    """Topology spread constraints of the server's pods, if there may be several."""
    args = scope.args.spread
    further = in_camel_case(args.constraints, "[core/v1.TopologySpreadConstraint]")
    if scope.args.most_replicas <= 1:
        return further or None
    ours = [
        k8s.core.v1.TopologySpreadConstraintArgs(
            topology_key=label,
            max_skew=args.max_skew,
            when_unsatisfiable="DoNotSchedule" if args.required else "ScheduleAnyway",
            label_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=scope.selector()),
            # Do not count pods that a rolling update is about to stop.
            match_label_keys=["pod-template-hash"],
        )
        for label in args.across
    ]
    return [*ours, *further] or None
