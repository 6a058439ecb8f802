"""The tracking server: processes, address, options, timeouts."""

import enum
import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from .. import switches
from ..base import Block, Input, Problem, block, plain, secret, sort_of
from ..checks import ExistingSecret, between, cidrs, pattern
from ..database import DatabaseArgs
from ..environment import OWN_VARIABLES, EnvFromArgs, ValueFromArgs, variables
from ..kinds import variables_of

__all__ = ["LogLevel", "ServerArgs", "TlsArgs", "TlsSecretArgs", "WorkspacesArgs"]

UNPRIVILEGED = 1024
"""The first port on which not only root may listen."""

OWN_OPTIONS = {
    "host": "it is fixed",
    "port": "use server.port",
    "workers": "use server.workers",
    "static-prefix": "use server.staticPrefix",
    "backend-store-uri": "use database",
    "read-replica-backend-store-uri": "it holds a password: give MLFLOW_READ_REPLICA_BACKEND_STORE_URI in server.secretEnv",
    "registry-store-uri": "use database.registry",
    "artifacts-destination": "use artifacts",
    "default-artifact-root": "use artifacts",
    "serve-artifacts": "use artifacts.proxied",
    "no-serve-artifacts": "use artifacts.proxied",
    "artifacts-only": "use server.artifactsOnly",
    "allowed-hosts": "use server.allowedHosts",
    "cors-allowed-origins": "use server.corsAllowedOrigins",
    "expose-prometheus": "use monitoring.prometheus",
    "disable-security-middleware": "it would switch host and origin checks off",
    "uvicorn-opts": "use server.uvicorn",
    "gunicorn-opts": "it serves without MLflow's FastAPI routes (traces by OTLP, gateway, streamed artifacts); use server.uvicorn",
    "waitress-opts": "it is for Windows; use server.uvicorn",
    "dev": "it restarts the server whenever a file changes; use server.logLevel: DEBUG",
    "app-name": "use auth",
    "enable-workspaces": "use server.workspaces",
    "disable-workspaces": "remove server.workspaces",
    "workspace-store-uri": "use server.workspaces.storeUri",
}
"""Options of `mlflow server` that this component sets or rules out, and what to use instead. Gunicorn and Waitress serve
only the Flask application, which MLflow has deprecated: it lacks half of what clients request."""

OWN_UVICORN = {
    "host": "it is fixed",
    "port": "use server.port",
    "workers": "use server.workers",
    "log-level": "use server.logLevel",
    **dict.fromkeys(["ssl-certfile", "ssl-keyfile"], "use server.tls"),
    "timeout-keep-alive": "use server.keepAliveSeconds",
    **dict.fromkeys(["forwarded-allow-ips", "proxy-headers", "no-proxy-headers"], "use server.trustedProxies"),
    **dict.fromkeys(["factory", "app-dir", "interface", "env-file"], "MLflow sets it"),
    **dict.fromkeys(["uds", "fd"], "the server listens on server.port"),
    **dict.fromkeys(
        ["reload", "reload-dir", "reload-include", "reload-exclude", "reload-delay"], "files of an image do not change"
    ),
    "ssl-keyfile-password": "it would be readable in the pod's specification; give a key without a password",
    "version": "it would end the server",
}
"""Options of uvicorn that this component sets or rules out, and what to use instead."""


class LogLevel(enum.Enum):
    """Log level of MLflow and uvicorn; from WARNING on, requests are not logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@block
class TlsSecretArgs(ExistingSecret):
    """An existing Secret of type `kubernetes.io/tls` in the deployment's namespace, such as one from cert-manager."""

    name: Input[str]
    """Name of the Secret."""
    certificate_key: str = "tls.crt"
    """Key of the certificate, with intermediates, in PEM form."""
    private_key_key: str = "tls.key"
    """Key of the private key in PEM form, without a password."""
    ca_key: str | None = None
    """Key of the certificate authority with which the component's jobs and Prometheus verify the server, for example
    `ca.crt`; they trust the public authorities if not given."""


@block
class TlsArgs(Block):
    """TLS that terminates in the pod. The server reads the certificate at startup: restart it after a renewal."""

    existing_secret: TlsSecretArgs
    """Secret with certificate and key. The certificate must cover the Service (`<name>.<namespace>.svc.cluster.local`)."""


@block
class WorkspacesArgs(Block):
    """Workspaces separate experiments, models and prompts by a workspace name that clients send."""

    store_uri: Input[str] | None = secret()
    """URI of a plugin's store for the workspaces themselves; MLflow's database if not given. A network policy opens the way to
    its host if the URI names a port, or is that of a database or `https://`; `networkPolicy.egress` opens any other."""

    def insecure(self) -> Iterable[Problem]:
        yield from switches.connection(self.store_uri, "store_uri")


@block
class ServerArgs(Block):
    """The MLflow tracking server."""

    replicas: int = 1
    """Number of pods. More than one needs a database and an artifact store that pods can share."""
    workers: int = 1
    """Processes per pod, about 200 MiB each. Prefer replicas to workers: they survive the loss of a node, and in an image
    without uvloop (the official one has it) the workers of a pod share a listening socket without TCP_NODELAY, which adds
    40 ms to each request on a kept-alive connection."""
    port: int = 5000
    """Port of the container."""
    static_prefix: str = ""
    """Path prefix under which UI and API are served, for example `/mlflow`."""
    allowed_hosts: list[Input[str]] = Field(default_factory=list)
    """Host headers to accept in addition to the computed ones (hosts of Ingress and route, Service names, pod address,
    localhost): `host`, `host:port` or a pattern with `*`."""
    cors_allowed_origins: list[Input[str]] = Field(default_factory=list)
    """Origins (`https://host`) whose pages may call the API, in addition to the computed ones (hosts of Ingress and route,
    Service names, localhost)."""
    # Not a union, which component providers do not support: https://www.pulumi.com/docs/iac/using-pulumi/pulumi-packages/schema/
    options: dict[str, Any] = Field(
        default_factory=dict, json_schema_extra={"additionalProperties": {"type": ["string", "integer", "boolean"]}}
    )
    """Further options of `mlflow server` without the dashes, for example `{x-frame-options: DENY}`; true is a bare flag."""
    uvicorn: dict[str, Any] = Field(
        default_factory=dict, json_schema_extra={"additionalProperties": {"type": ["string", "integer", "boolean"]}}
    )
    """Options of uvicorn without the dashes, for example `{limit-concurrency: 200}`; true is a bare flag."""
    keep_alive_seconds: int | None = None
    """How long an idle connection is kept, in seconds: by the server, and by a proxy of `auth` beside it. It must be longer than
    whoever stands in front keeps its connections to the pods, or requests on one that is just being closed fail. 3620 if not given,
    since Envoy keeps them for 3600; 200 if `service.type` is `LoadBalancer` and there is neither Ingress nor route, since Azure's
    load balancer forgets connections that were idle for 240. See docs/network.md."""
    trusted_proxies: list[Input[str]] = Field(default_factory=list)
    """Networks in CIDR form of the proxies in front of the pods (controller of the Ingress, Gateway, load balancer), whose
    `X-Forwarded-For` and `X-Forwarded-Proto` are believed; those of nobody if empty. Needed to log clients' addresses, and where
    TLS ends at a proxy that no `ingress` or `route` here tells of."""
    log_level: LogLevel | None = None
    """Log level of MLflow and uvicorn; MLflow's default (INFO) if not given."""
    telemetry: bool = False
    """Let MLflow send usage data to its developers."""
    tls: TlsArgs | None = None
    """Serve TLS from the pods; not needed if an ingress terminates TLS. Set `service.port` to 443."""
    workspaces: WorkspacesArgs | None = None
    """Enable workspaces: `{}`. Existing experiments belong to the workspace `default`."""
    env: dict[str, Input[str]] = Field(default_factory=dict)
    """Additional environment variables, not secret. This field and the next three apply to the server and to every job
    that runs MLflow."""
    secret_env: dict[str, Input[str]] | None = secret()
    """Additional environment variables, stored in a Secret."""
    value_from: dict[str, ValueFromArgs] = Field(default_factory=dict)
    """Additional environment variables from a key of an existing Secret or ConfigMap, or a field of the pod."""
    env_from: list[EnvFromArgs] = Field(default_factory=list)
    """Existing Secrets and ConfigMaps whose keys all become environment variables. Variables set elsewhere take precedence;
    pods see changes after a restart. Their content cannot be inspected: a key that disables a protection, such as
    MLFLOW_ENABLE_REMOTE_ASSISTANT, does so without `allowInsecure`."""
    artifacts_only: bool = False
    """Serve only artifacts, with `database: {none: {}}`: a separate server for large files, next to a tracking server whose
    `artifacts.defaultRoot` is `mlflow-artifacts://` and the host of this one."""
    job_execution: bool = False
    """Run MLflow's background jobs in the server pods (eight more processes, about 1.3 GiB; one replica only). With more
    than one of `workers`, the server then listens on IPv4 only."""
    drain_seconds: int = 10
    """How long a terminating pod keeps serving, so that proxies stop sending it requests first, in seconds. The kubelet needs eight to
    take the last pods of a Service out of it."""
    shutdown_grace_seconds: int = 300
    """How long in-flight requests may then take to finish before the pod is killed, in seconds."""
    startup_timeout_seconds: int = 300
    """How long a pod may take to become healthy before it is restarted, in seconds."""
    progress_deadline_seconds: int = 120
    """How long a pod of this deployment may take to be scheduled, to pull its images and to become ready before `pulumi up` fails
    with the reason, in seconds. Raise it where nodes are added on demand. The same for databases and object stores in the
    cluster."""
    max_surge: int = 1
    """Pods that a rolling update may start above the number of replicas."""
    max_unavailable: int = 0
    """Pods that a rolling update may stop before their replacements are ready."""
    revision_history_limit: int = 3
    """Earlier revisions that `kubectl rollout undo` can return to."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.replicas, 0, 100, "replicas")
        yield from between(self.workers, 1, 32, "workers")
        if 1 <= self.port < UNPRIVILEGED:
            message = (
                f"{self.port} is below {UNPRIVILEGED}: only root may listen there, and the server does not run as root"
            )
            yield Problem(("port",), message, f"use {UNPRIVILEGED} or more; clients see service.port, which may be any")
        else:
            yield from between(self.port, UNPRIVILEGED, 65535, "port")
        yield from between(self.keep_alive_seconds, 1, 86_400, "keep_alive_seconds", "seconds")
        yield from cidrs(self.trusted_proxies, "trusted_proxies")
        yield from between(self.drain_seconds, 0, 600, "drain_seconds", "seconds")
        yield from between(self.shutdown_grace_seconds, 1, 86_400, "shutdown_grace_seconds", "seconds")
        yield from between(self.startup_timeout_seconds, 10, 3600, "startup_timeout_seconds", "seconds")
        yield from between(self.progress_deadline_seconds, 10, 86_400, "progress_deadline_seconds", "seconds")
        yield from between(self.max_surge, 0, 100, "max_surge")
        yield from between(self.max_unavailable, 0, 100, "max_unavailable")
        yield from between(self.revision_history_limit, 0, 100, "revision_history_limit")
        if self.max_surge == 0 and self.max_unavailable == 0:
            yield Problem(("max_surge",), "0 together with maxUnavailable: 0 leaves no way to update", "use 1")
        if self.tls is not None and self.job_execution:
            message = "with server.tls: MLflow's job runner calls its server over http:// even with TLS"
            yield Problem(("job_execution",), f"cannot work {message}", "set it to false, or end TLS at an ingress")
        prefix = self.static_prefix
        if prefix and not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+", prefix):
            parts = [part for part in re.findall(r"[A-Za-z0-9._~-]+", prefix) if part.strip(".")]
            form = "a leading slash, none at the end, and letters, digits, '.', '_', '~', '-' between them"
            fix = f"write {'/' + '/'.join(parts)!r}: {form}" if parts else f"leave it out, or write {form}"
            yield Problem(("static_prefix",), f"{prefix!r} is not a path prefix", fix)
        for index, host in enumerate(self.allowed_hosts):
            known = plain(host)
            if isinstance(known, str) and re.fullmatch(r"[*.:\s]*\*[*.:\s]*", known):
                message = f"{known.strip()!r} switches the protection against DNS rebinding off"
                yield Problem(("allowed_hosts", index), message, "list the hosts")
            elif isinstance(known, str) and not re.fullmatch(
                r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9_.*-]+)(:(\d{1,5}|\*))?", known
            ):
                yield Problem(
                    ("allowed_hosts", index), f"{known!r} is not a host", "write host or host:port, one entry each"
                )
        for index, origin in enumerate(self.cors_allowed_origins):
            if plain(origin) == "*":
                message = "'*' lets the pages of every site call the API, and switches MLflow's check of origins off"
                yield Problem(
                    ("cors_allowed_origins", index), message, "list the origins: https://notebooks.example.com"
                )
                continue
            for problem in pattern(
                origin,
                r"https?://[^/\s,*@]+",
                "origin",
                "an origin",
                "write scheme and host: https://mlflow.example.com",
            ):
                yield Problem(("cors_allowed_origins", index), problem.message, problem.fix)
        yield from _command_line("options", self.options, OWN_OPTIONS)
        yield from _command_line("uvicorn", self.uvicorn, OWN_UVICORN)
        own = OWN_VARIABLES | variables_of("database", DatabaseArgs)
        yield from variables(self.env, self.secret_env or {}, self.value_from, own=own)

    def insecure(self) -> Iterable[Problem]:
        yield from switches.insecure("options", self.options, switches.server)
        yield from switches.insecure("uvicorn", self.uvicorn, switches.uvicorn)
        yield from switches.variables(self.env, self.secret_env or {}, self.value_from)


def _command_line(field: str, options: dict[str, Any], own: dict[str, str]) -> Iterable[Problem]:
    for option, value in options.items():
        bare = option.lstrip("-").replace("_", "-")
        if bare in own:
            yield Problem((field, option), "is set by this component", own[bare])
        elif not re.fullmatch(r"[a-z][a-z0-9-]*", option):
            plausible = re.sub(r"[^a-z0-9]+", "-", bare.lower()).strip("-")
            yield Problem((field, option), "is not the name of an option", f"write {plausible!r}")
        elif not isinstance(value, (str, int)):
            message = f"expected a string, a whole number or true, got {sort_of(value)}"
            yield Problem((field, option), message, "write one of them; true is a bare flag")
