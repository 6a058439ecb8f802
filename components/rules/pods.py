"""The server's pods: what the namespace permits, and how much memory they need."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem
from ..arguments.checks import amount, counted
from ..arguments.reserved import UNSPECIFIED, proxy_port

PROCESS_MIB = 200
"""Measured idle memory of each server process, and of the launcher in each pod."""
JOBS_MIB = 1300
"""Measured idle memory of the job runners."""


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """A created namespace enforces Pod Security `restricted`; idle processes must fit into the memory limit."""
    if args.create_namespace:
        yield from (problem.under("pod") for problem in args.pod.not_restricted())
    server, limit = args.server, args.pod.resources.memory_limit
    needed = PROCESS_MIB * (1 + server.workers) + (JOBS_MIB if server.job_execution else 0)
    granted = amount(limit)
    if granted is not None and granted < needed * 1024**2:
        jobs = ", the job runners" if server.job_execution else ""
        yield Problem(
            ("pod", "resources", "memory_limit"),
            f"{limit!r} is less than what {counted(server.workers, 'process')}{jobs} and the launcher hold when idle, about {needed} MiB",
            f"raise it to '{-(-needed * 3 // 2 // 1024)}Gi', or lower server.workers"
            + (" or server.jobExecution" if server.job_execution else ""),
        )
    for index, alias in enumerate(args.pod.part("host_aliases") if args.server.job_execution else ()):
        if alias["ip"] in UNSPECIFIED:
            message = f"{alias['ip']!r} has a name of the component there with server.jobExecution"
            yield Problem(("pod", "host_aliases", index, "ip"), message, "remove the entry")
    yield from _ports(args)
    disk = args.resources.all.ephemeral_storage_limit
    if disk is not None and args.pod.tmp_volume is None and (amount(disk) or 0) < (amount(args.pod.tmp_size) or 0):
        yield Problem(
            ("resources", "all", "ephemeral_storage_limit"),
            f"{disk!r} is less than pod.tmpSize, {args.pod.tmp_size!r}: pods would be evicted before /tmp is full",
            "raise it, or lower pod.tmpSize",
        )


def _ports(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """The containers of a pod share its ports: the second one that listens on a port ends, again and again."""
    server = args.server.port
    taken = {server: "server.port"}
    if args.proxied:
        taken[proxy_port(server)] = "the proxy in front of the server"
        for index, extra in enumerate(args.service.extra_ports):
            if extra.target_port == server:
                message = f"{server} is where the server listens for its proxy alone"
                fix = "leave it out, or give the port of a container of yours"
                yield Problem(("service", "extra_ports", index, "target_port"), message, fix)
    if (metrics := args.continuous_port) is not None:
        if metrics in taken:
            path = ("backup", "continuous", "metrics_port")
            yield Problem(path, f"{metrics} is the port of {taken[metrics]}", "choose another port")
        taken[metrics] = "backup.continuous.metricsPort"
    for field in ("init_containers", "containers"):
        for index, container in enumerate(args.pod.part(field)):
            if field == "init_containers" and container.get("restartPolicy") != "Always":
                continue  # it has ended when the others start
            for at, port in enumerate(container.get("ports") or []):
                number = port.get("containerPort")
                if port.get("protocol") == "UDP":
                    continue
                if number in taken:
                    fix = "choose another port"
                    path = ("pod", field, index, "ports", at, "containerPort")
                    yield Problem(path, f"{number} is the port of {taken[number]}", fix)
                elif isinstance(number, int):
                    taken[number] = f"the container {container['name']!r}"
