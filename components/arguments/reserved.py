"""Names, directories and ports in the server's pods that belong to the component. Users' additions to a pod must not use them.

Tests compare them with the rendered pods. Environment variables are in `environment.py` and on the kinds that set them.
"""

import posixpath

CONTAINERS = frozenset(
    {"mlflow", "migration", "database-login", "users", "proxy", "restore-database", "restore-users", "continuous"}
)
"""Containers and init containers."""

VOLUMES = frozenset(
    {
        *("tmp", "tls", "migration", "front"),
        *("database", "database-ca", "database-login", "database-login-script"),
        *("artifacts", "artifacts-files", "ssh", "proxied-stores"),
        *("users", "users-template", "users-database-ca"),
        *("backups", "backup-destination", "continuous", "continuous-config"),
        *("proxy", "proxy-accounts", "proxied-users", "directory-ca", "directory-login", "provider-ca", "redis-ca"),
    }
)
"""Volumes of the pods."""

SCRATCH = "/tmp"  # noqa: S108 - a private volume of each pod
"""Where every container may write; below it, a user may mount something."""

DIRECTORIES = (
    "/etc/mlflow",
    "/mlflow/artifacts",
    "/mlflow/backups",
    "/mlflow/continuous",
    "/mlflow/database",
    f"{SCRATCH}/.ssh",
    f"{SCRATCH}/metrics",
)
"""Other directories in which the component mounts something, or writes."""

PORT_NAME = "http"
"""Name of the port at which requests enter a pod, whichever container listens there: the Service finds it by this name."""

UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104
"""Addresses that a name of the component stands for in `/etc/hosts` where MLflow runs jobs."""

DEFAULTS = frozenset(
    {
        *("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"),
        *("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"),
    }
)
"""Environment variables that have a value here which a user may replace."""


def proxy_port(server_port: int) -> int:
    """Port of a proxy in front of the server, which keeps its own on the loopback."""
    return 8080 if server_port != 8080 else 8081


def is_taken(path: str) -> bool:
    """Whether a mount at this path would hide what the component mounts, or be hidden by it."""
    path = normal(path)
    above = any(_within(each, path) for each in (SCRATCH, *DIRECTORIES))
    return above or any(_within(path, each) for each in DIRECTORIES)


def normal(path: str) -> str:
    """The path in the one way to write it."""
    return posixpath.normpath(path)


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
