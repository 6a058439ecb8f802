"""The tracking server: processes, address, options, times."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from .base import Block, Input, Problem, block, plain, secret
from .checks import between, pattern
from .environment import variables

OWN_OPTIONS = {
    "host": "it is fixed",
    "port": "use server.port",
    "workers": "use server.workers",
    "static-prefix": "use server.staticPrefix",
    "backend-store-uri": "use database",
    "artifacts-destination": "use artifacts",
    "default-artifact-root": "use artifacts",
    "serve-artifacts": "use artifacts.proxied",
    "no-serve-artifacts": "use artifacts.proxied",
    "allowed-hosts": "use server.allowedHosts",
    "cors-allowed-origins": "use server.corsAllowedOrigins",
    "expose-prometheus": "use monitoring.prometheus",
    "disable-security-middleware": "it would switch host and origin checks off",
    "gunicorn-opts": "host and origin checks exist under uvicorn only",
    "waitress-opts": "host and origin checks exist under uvicorn only",
}
"""Options of `mlflow server` that have an argument of their own, and what to use."""


@block
class ServerArgs(Block):
    """The MLflow tracking server."""

    replicas: int = 1
    """Number of pods. More than one needs a database and an artifact store that pods can share."""
    workers: int = 1
    """Processes per pod, about 200 MiB each. More replicas serve better than more workers: they also survive a node, and
    in an image without uvloop (the official one has it) the workers of one pod share a listening socket without
    TCP_NODELAY, which adds 40 ms to each request on a kept connection."""
    port: int = 5000
    """Port of the container."""
    static_prefix: str = ""
    """Path under which UI and API are served, for example `/mlflow`."""
    allowed_hosts: list[Input[str]] = Field(default_factory=list)
    """Host headers to accept besides the computed ones (hosts of Ingress and route, Service names, pod address,
    localhost): `host`, `host:port` or a pattern with `*`."""
    cors_allowed_origins: list[Input[str]] = Field(default_factory=list)
    """Origins (`https://host`) whose pages may call the API, besides the computed ones (hosts of Ingress and route, Service
    names, localhost)."""
    # Not a union, which component providers have not: https://www.pulumi.com/docs/iac/using-pulumi/pulumi-packages/schema/
    options: dict[str, Any] = Field(
        default_factory=dict, json_schema_extra={"additionalProperties": {"type": ["string", "integer", "boolean"]}}
    )
    """Further options of `mlflow server` without the dashes, for example `{x-frame-options: DENY}`; true is a bare flag."""
    env: dict[str, Input[str]] = Field(default_factory=dict)
    """Further environment variables, not secret."""
    secret_env: dict[str, Input[str]] | None = secret()
    """Further environment variables, kept in a Secret."""
    job_execution: bool = False
    """Run MLflow's background jobs in the server pods (eight more processes, about 1.3 GiB; one replica only)."""
    drain_seconds: int = 10
    """How long a pod that is being ended goes on serving, so that proxies stop sending to it first, in seconds."""
    shutdown_grace_seconds: int = 300
    """How long requests in flight may take to finish after that, in seconds; then the pod is killed."""
    startup_timeout_seconds: int = 300
    """How long a pod may take to answer for the first time before it is restarted, in seconds."""
    progress_deadline_seconds: int = 600
    """How long a rollout may make no progress before `pulumi up` fails with the pods' reasons, in seconds."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.replicas, 0, 100, "replicas")
        yield from between(self.workers, 1, 32, "workers")
        yield from between(self.port, 1024, 65535, "port")
        yield from between(self.drain_seconds, 0, 600, "drain_seconds", "seconds")
        yield from between(self.shutdown_grace_seconds, 1, 86_400, "shutdown_grace_seconds", "seconds")
        yield from between(self.startup_timeout_seconds, 10, 3600, "startup_timeout_seconds", "seconds")
        yield from between(self.progress_deadline_seconds, 10, 86_400, "progress_deadline_seconds", "seconds")
        prefix = self.static_prefix
        if prefix and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", prefix):
            yield Problem(
                ("static_prefix",),
                f"{prefix!r} is not a path prefix",
                f"write {'/' + prefix.strip('/')!r}: a leading slash, none at the end",
            )
        for index, host in enumerate(self.allowed_hosts):
            known = plain(host)
            if isinstance(known, str) and known.strip() == "*":
                yield Problem(
                    ("allowed_hosts", index), "'*' switches the protection against DNS rebinding off", "list the hosts"
                )
            elif isinstance(known, str) and ("/" in known or "," in known or not known.strip()):
                yield Problem(
                    ("allowed_hosts", index), f"{known!r} is not a host", "write host or host:port, one entry each"
                )
        for index, origin in enumerate(self.cors_allowed_origins):
            for problem in pattern(
                origin,
                r"https?://[^/\s,*@]+",
                "origin",
                "an origin",
                "write scheme and host: https://mlflow.example.com",
            ):
                yield Problem(("cors_allowed_origins", index), problem.message, problem.fix)
        for option, value in self.options.items():
            bare = option.lstrip("-").replace("_", "-")
            if bare in OWN_OPTIONS:
                yield Problem(("options", option), "is set by this component", OWN_OPTIONS[bare])
            elif not re.fullmatch(r"[a-z][a-z0-9-]*", option):
                plausible = re.sub(r"[^a-z0-9]+", "-", bare.lower()).strip("-")
                yield Problem(("options", option), "is not the name of an option", f"write {plausible!r}")
            elif not isinstance(value, (str, int)):
                message = f"expected a string, a whole number or true, got {type(value).__name__}"
                yield Problem(("options", option), message, "write one of them; true is a bare flag")
        yield from variables(self.env, self.secret_env or {})
