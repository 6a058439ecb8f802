"""The pods: image, server options, resources, and the Service in front of them."""

import enum
import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from .base import Block, Input, Problem, block, looks_secret, plain, secret
from .checks import amount, between, cpu, kubernetes_name, labels, memory, pattern, qualified_keys


class PullPolicy(enum.Enum):
    """When the kubelet pulls the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


@block
class ImageArgs(Block):
    """The container image that the server and the migration run."""

    repository: Input[str] = "ghcr.io/mlflow/mlflow"
    """Repository with registry host."""
    tag: Input[str] = "v3.17.2-full"
    """Tag. The official `-full` images hold the database drivers and cloud clients, the plain ones do not."""
    digest: Input[str] | None = None
    """Digest (`sha256:…`); pins the image whatever the tag says."""
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    """When the kubelet pulls the image."""
    pull_secrets: list[Input[str]] = Field(default_factory=list)
    """Names of existing Secrets with registry credentials."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(
            self.repository,
            r"[a-z0-9]+([._-][a-z0-9]+)*(:\d+)?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*",
            "repository",
            "an image repository",
            "write it as host/path, without tag or scheme",
        )
        yield from pattern(
            self.tag, r"[\w][\w.-]{0,127}", "tag", "an image tag", "use letters, digits, '.', '_' and '-'"
        )
        yield from pattern(
            self.digest, r"sha256:[0-9a-f]{64}", "digest", "an image digest", "write sha256: and 64 hex digits"
        )
        for index, name in enumerate(self.pull_secrets):
            for problem in kubernetes_name(name, "name", "the name of a Secret"):
                yield Problem(("pull_secrets", index), problem.message, problem.fix)


@block
class ResourcesArgs(Block):
    """Resource requests and limits of the server container. Measured at our defaults: about 350 MiB idle."""

    cpu_request: str = "250m"
    """Guaranteed CPU, in cores or millicores (`500m`)."""
    cpu_limit: str | None = None
    """Upper bound of CPU; none by default, since throttling only adds latency."""
    memory_request: str = "512Mi"
    """Guaranteed memory."""
    memory_limit: str = "2Gi"
    """Memory at which the container is ended."""

    def problems(self) -> Iterable[Problem]:
        for kind, check in (("cpu", cpu), ("memory", memory)):
            request, limit = getattr(self, f"{kind}_request"), getattr(self, f"{kind}_limit")
            wrong = [*check(request, f"{kind}_request"), *check(limit, f"{kind}_limit")]
            yield from wrong
            if not wrong and limit is not None and (amount(request) or 0) > (amount(limit) or 0):
                yield Problem(
                    (f"{kind}_request",),
                    f"{request!r} is more than the limit {limit!r}",
                    "lower it, or raise the limit",
                )


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
    "disable-security-middleware": "it would switch host and origin checks off",
    "gunicorn-opts": "host and origin checks exist under uvicorn only",
    "waitress-opts": "host and origin checks exist under uvicorn only",
}
"""Options of `mlflow server` that have an argument of their own, and what to use."""

OWN_VARIABLES = {
    "POD_IP": "choose another name",
    "HOME": "it is the pod's writable directory",
    "MLFLOW_BACKEND_STORE_URI": "use database",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "use database.poolSize",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "use database.maxOverflow",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "use database.poolRecycleSeconds",
    **dict.fromkeys(
        ["PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT"],
        "use database.postgresql",
    ),
    **dict.fromkeys(["PGAPPNAME", "PGCONNECT_TIMEOUT"], "it is fixed"),
    "MLFLOW_ARTIFACTS_DESTINATION": "use artifacts",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "use artifacts",
    "MLFLOW_SERVE_ARTIFACTS": "use artifacts.proxied",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "use artifacts.s3.presigned",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "use artifacts.s3.presigned",
    "MLFLOW_S3_ENDPOINT_URL": "use artifacts.s3.endpointUrl",
    "MLFLOW_S3_IGNORE_TLS": "use artifacts.s3.ignoreTls",
    "MLFLOW_S3_UPLOAD_EXTRA_ARGS": "use artifacts.s3.uploadExtraArgs",
    "AWS_DEFAULT_REGION": "use artifacts.s3.region",
    "AWS_ACCESS_KEY_ID": "use artifacts.s3.accessKeyId",
    "AWS_SECRET_ACCESS_KEY": "use artifacts.s3.secretAccessKey",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "use server.allowedHosts",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "use server.corsAllowedOrigins",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "use server.jobExecution",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "use keys.flaskSecretKey",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "use keys.kekPassphrase",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "use keys.webhookSecretEncryptionKey",
}
"""Environment variables that have an argument of their own, and what to use: a pod must not name one twice."""


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
    """Host headers to accept besides the computed ones (Service names, pod address, localhost): `host`, `host:port` or
    a pattern with `*`."""
    cors_allowed_origins: list[Input[str]] = Field(default_factory=list)
    """Origins (`https://host`) whose pages may call the API."""
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
        yield from self._environment()

    def _environment(self) -> Iterable[Problem]:
        secret_env = self.secret_env or {}
        for where, name in [*(("env", name) for name in self.env), *(("secret_env", name) for name in secret_env)]:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                yield Problem(
                    (where, name), "is not the name of an environment variable", "use letters, digits and '_'"
                )
            elif name in OWN_VARIABLES:
                yield Problem((where, name), "is set by this component", OWN_VARIABLES[name])
        for name, value in self.env.items():
            known = plain(value)
            if name in secret_env:
                yield Problem(("env", name), "is given in secretEnv as well", "keep one of them")
            elif name not in OWN_VARIABLES and (
                looks_secret(name) or (isinstance(known, str) and re.search(r"://[^/\s]*:[^/\s]*@", known))
            ):
                yield Problem(
                    ("env", name),
                    "looks like a secret and would be readable in the pod's specification",
                    "move it to secretEnv",
                )


@block
class PodArgs(Block):
    """What Kubernetes needs to know of the server's pods."""

    resources: ResourcesArgs = ResourcesArgs()
    """Requests and limits."""
    tmp_size: str = "2Gi"
    """Limit of `/tmp`, where uploads and downloads that go through the server are spooled."""
    run_as_user: int = 1000
    """Numeric user; the official image has none and would run as root."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of the pods."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Further annotations of the pods."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that a node must have."""
    priority_class_name: str | None = None
    """PriorityClass of the pods."""

    def problems(self) -> Iterable[Problem]:
        yield from memory(self.tmp_size, "tmp_size")
        yield from between(self.run_as_user, 1, 2**31 - 1, "run_as_user", "(root is refused)")
        yield from kubernetes_name(self.priority_class_name, "priority_class_name", "the name of a PriorityClass")
        yield from labels(self.labels, "labels")
        yield from qualified_keys(self.annotations, "annotations")
        yield from labels(self.node_selector, "node_selector", refused=())


class ServiceType(enum.Enum):
    """How the Service is published."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


@block
class ServiceArgs(Block):
    """The Service in front of the pods."""

    type: ServiceType = ServiceType.CLUSTER_IP
    """`NodePort` and `LoadBalancer` publish a server without authentication and need `allowInsecure`."""
    port: int = 80
    """Port of the Service."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations of the Service."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.port, 1, 65535, "port")
        yield from qualified_keys(self.annotations, "annotations")


@block
class KeysArgs(Block):
    """Keys that all replicas share. Each is generated once and kept in the stack's state unless given here."""

    flask_secret_key: Input[str] | None = secret()
    """Signs sessions of the basic-auth application."""
    kek_passphrase: Input[str] | None = secret()
    """Encrypts secrets that the AI gateway stores; 32 or more characters."""
    webhook_secret_encryption_key: Input[str] | None = secret()
    """Fernet key that encrypts webhook secrets."""

    def problems(self) -> Iterable[Problem]:
        kek = plain(self.kek_passphrase)
        if isinstance(kek, str) and len(kek) < 32:
            yield Problem(("kek_passphrase",), f"has {len(kek)} characters", "use 32 or more")
        webhook = plain(self.webhook_secret_encryption_key)
        if isinstance(webhook, str) and not re.fullmatch(r"[A-Za-z0-9_-]{43}=", webhook):
            yield Problem(
                ("webhook_secret_encryption_key",),
                "is not a Fernet key",
                "use 32 random bytes in URL-safe base64 (44 characters)",
            )
