"""Users: where they are stored, and who has to log in."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Users need a database, an authenticating proxy needs PYTHONPATH, and Prometheus needs credentials."""
    if args.auth is not None and args.database.none is not None:
        message = "keeps users in the database that a server for artifacts alone does not have"
        yield Problem(("auth",), message, "leave it out and protect the server by networkPolicy, or give it a database")
    if args.auth is not None and args.auth.basic is None:
        for where in ("env", "secret_env"):
            if "PYTHONPATH" in (getattr(args.server, where) or {}):
                message = "is set by this component where a proxy authenticates users"
                yield Problem(("server", where, "PYTHONPATH"), message, "put your modules into the image")
    monitor = args.monitoring.service_monitor
    elsewhere = monitor is not None and monitor.namespace not in (None, args.namespace)
    if monitor is not None and elsewhere and args.authenticated and monitor.basic_auth is None:
        yield Problem(
            ("monitoring", "service_monitor", "basic_auth"),
            f"is required: metrics are for administrators only, and Secrets of {args.namespace!r} are out of reach there",
            f"name a Secret in {monitor.namespace!r} with an administrator's name and password, or leave the namespace out",
        )
