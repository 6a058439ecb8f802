"""Names in the server's pods that belong to the component. Users' additions to a pod must not use them.

A test compares them with the rendered pods. Environment variables are in `environment.py` and on the kinds that set them.
"""

CONTAINERS = frozenset({"mlflow", "migration", "database-login", "users", "proxy"})
"""Containers and init containers."""

VOLUMES = frozenset(
    {
        *("tmp", "tls", "migration", "front"),
        *("database", "database-ca", "database-login", "database-login-script"),
        *("artifacts", "artifacts-files", "ssh", "proxied-stores"),
        *("users", "users-template", "users-database-ca"),
        *("proxy", "proxy-accounts", "proxied-users", "directory-ca", "directory-login", "provider-ca"),
    }
)
"""Volumes of the pods."""

DIRECTORIES = ("/etc/mlflow", "/mlflow/artifacts", "/mlflow/database", "/tmp/.ssh")  # noqa: S108 - a private volume
"""Directories in which the component mounts something, in addition to `/tmp`."""


def is_within(path: str, directories: tuple[str, ...] = DIRECTORIES) -> bool:
    """Whether a path is one of the directories, or below one."""
    return any(path.rstrip("/") == each or path.startswith(f"{each}/") for each in directories)
