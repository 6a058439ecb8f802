"""Users: where they are stored, and who has to log in."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem, plain


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Users need a database, an authenticating proxy needs PYTHONPATH, and Prometheus needs credentials."""
    if args.users_in_mlflow and args.database.none is not None:
        message = "keeps users in the database that a server for artifacts alone does not have"
        yield Problem(("auth",), message, "leave it out and protect the server by networkPolicy, or give it a database")
    if args.proxied:
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
    app = args.auth.app if args.auth is not None else None
    collected = args.garbage_collection is not None and args.artifacts.proxied
    if app is not None and app.existing_secret is None and collected:
        message = "is required with garbageCollection, which asks the server to delete artifacts"
        fix = "name a Secret with an account that may do so, or leave garbageCollection out"
        yield Problem(("auth", "app", "existing_secret"), message, fix)
    yield from _redirect(args)


def _redirect(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """The provider sends browsers back to a place that the proxy serves, at a host that leads there."""
    oidc = args.auth.oidc if args.auth is not None else None
    url = plain(oidc.redirect_url) if oidc is not None else None
    if not isinstance(url, str):
        return
    place, parts = ("auth", "oidc", "redirect_url"), urlsplit(url)
    path, host = f"{args.server.static_prefix}/oauth2/callback", parts.hostname or ""
    if parts.path != path:
        message = f"{url!r} leads past the log-in, which is under {path!r}"
        yield Problem(
            place, message, f"write '{parts.scheme}://{parts.netloc}{path}'", either=(("server", "static_prefix"),)
        )
        return
    if parts.scheme != "https" and host not in ("localhost", "127.0.0.1", "::1"):
        message = f"{url!r} is not HTTPS, and browsers keep the cookie of a log-in for HTTPS only"
        yield Problem(place, message, f"write 'https://{parts.netloc}{path}'")
    published = [*(args.ingress.host_names if args.ingress else ()), *(args.route.hostnames if args.route else ())]
    names = [plain(name) for name in (*published, *args.server.allowed_hosts)]
    if (
        published
        and None not in names
        and not any(fnmatchcase(each, str(name)) for name in names for each in (host, parts.netloc))
    ):
        known = ", ".join(map(str, names))
        message = f"{url!r} is at a host that the server is not published under"
        fix = f"use one of its hosts ({known}), or add {host!r} to them or to server.allowedHosts"
        yield Problem(place, message, fix, either=(("ingress",), ("route",)))
