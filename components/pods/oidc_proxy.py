"""oauth2-proxy as a sidecar of the server: it authenticates users with an OpenID Connect provider, and checks tokens."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import pulumi
from pydantic.alias_generators import to_camel

from ..arguments import Input, OidcAuthArgs, OidcEndpointsArgs, OidcTlsArgs, OidcUser
from ..contracts import NetworkDestination, SecretKey, SecretValue
from . import proxy, tls
from .containers import drain
from .environment import plain_environment, secret_environment
from .part import PodPart
from .scope import Scope
from .volumes import secret_volume

_ACCOUNTS = "/etc/mlflow/proxy-accounts"
_CA_DIRECTORY = "/etc/mlflow/provider"
_REDIS_CA_DIRECTORY = "/etc/mlflow/redis"
_ANYWHERE = NetworkDestination(host="0.0.0.0", port=443)  # noqa: S104 - where only oauth2-proxy knows the address
_HEADERS = {OidcUser.EMAIL: "X-Forwarded-Email", OidcUser.PREFERRED_USERNAME: "X-Forwarded-Preferred-Username"}
"""Where oauth2-proxy puts a user's name; the subject is the name in the Authorization header."""


def part(
    scope: Scope, args: OidcAuthArgs, administrator: pulumi.Output[str], first: Sequence[pulumi.Resource]
) -> PodPart:
    """The proxy, and what the server needs to know about it.

    Args:
        scope: The deployment.
        args: Settings of the provider.
        administrator: Password of the administrator outside the provider.
        first: First objects in the cluster, which generated secrets wait for.
    """
    user_secret = proxy.password(scope, "proxied-user", first)
    # A group with a secret name, which no user can claim: that of the administrator outside the provider.
    local_group = proxy.password(scope, "proxied-group", first)
    volumes = [secret_volume("proxy-accounts", proxy.accounts(scope, args.admin_username, administrator))]
    mounts = {"proxy-accounts": _ACCOUNTS}
    if (authority := proxy.authority(scope, "provider-ca", args.tls)) is not None:
        volumes.append(authority)
        mounts["provider-ca"] = _CA_DIRECTORY
    if args.redis is not None and (authority := proxy.authority(scope, "redis-ca", args.redis.tls)) is not None:
        volumes.append(authority)
        mounts["redis-ca"] = _REDIS_CA_DIRECTORY
    container = proxy.container(
        scope,
        args.image,
        None,
        _arguments(scope, args),
        [
            *plain_environment(dict(args.extra_env)),
            *secret_environment(scope, "proxy", "server", _secrets(scope, args, user_secret, local_group, first)),
        ],
        mounts,
        args.resources,
        drain(scope),
    )
    plain: dict[str, Input[str]] = {}
    if args.user in _HEADERS:
        plain["PROXIED_NAME_HEADER"] = _HEADERS[args.user]
    if args.admin_groups:
        plain["PROXIED_ADMIN_GROUPS"] = pulumi.Output.all(*args.admin_groups).apply(",".join)
    shared: dict[str, SecretValue] = {"PROXIED_USER_SECRET": user_secret, "PROXIED_LOCAL_GROUP": local_group}
    trusted = [
        *plain_environment(plain),
        *secret_environment(scope, "proxy-trust", "server", shared),
    ]
    return proxy.behind(scope, container, trusted, volumes, _destinations(args))


def _destinations(args: OidcAuthArgs) -> list[NetworkDestination]:
    """Where the provider and Redis are."""
    asked = {"issuerUrl": args.issuer_url}
    if args.endpoints is not None:
        # Not `login_url`, which only browsers open.
        for field in ("redeem_url", "validate_url", "profile_url", "jwks_url"):
            asked[f"endpoints.{to_camel(field)}"] = getattr(args.endpoints, field)
    # Several addresses of one server are one destination; those that are not known yet are one each.
    given = {path: url for path, url in asked.items() if url is not None}
    servers = {urlsplit(url).netloc if isinstance(url, str) else path: (url, path) for path, url in given.items()}
    found = [proxy.destination(url, f"auth.oidc.{path}") for url, path in servers.values()] or [_ANYWHERE]
    if args.redis is not None and args.redis.url is not None:
        found.append(proxy.destination(args.redis.url, "auth.oidc.redis.url"))
    elif args.redis is not None:
        found.append(replace(_ANYWHERE, port=args.redis.port or proxy.REDIS_PORT))
    return found


def _arguments(scope: Scope, args: OidcAuthArgs) -> list[Input[str]]:
    """Options of oauth2-proxy (https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview)."""
    server = scope.args.server
    prefix = server.static_prefix
    options: dict[str, Input[str] | bool] = {
        "provider": args.provider.value,
        "redirect-url": args.redirect_url,
        "proxy-prefix": f"{prefix}/oauth2",
        "upstream": f"http://127.0.0.1:{server.port}",
        # The default, 30 seconds, would cut a large upload.
        "upstream-timeout": "1h",
        "htpasswd-file": f"{_ACCOUNTS}/accounts",
        "pass-basic-auth": True,
        "pass-user-headers": True,
        "skip-auth-strip-headers": True,
        "skip-auth-route": f"GET=^{prefix}/health$",
        # Programs get a 401 instead of a redirect to the login page.
        "api-route": f"^{prefix}/(api|ajax-api|gateway|v1)/",
        "skip-provider-button": True,
        "skip-jwt-bearer-tokens": args.bearer_tokens and args.provider.issues_tokens,
        "oidc-groups-claim": args.groups_claim,
        "code-challenge-method": "S256",
        # Of the log-in's groups and for a week, without these.
        "cookie-refresh": f"{args.refresh}s",
        "cookie-expire": f"{args.session_seconds}s",
        "cookie-secure": True,
        "cookie-samesite": "lax",
        "silence-ping-logging": True,
        "exclude-logging-path": f"{prefix}/health",
    }
    # Of both families, where the kernel has them: Go takes the unspecified address of either for all.
    address = f"0.0.0.0:{proxy.port(scope)}"
    if server.tls is None:
        options["http-address"] = address
    else:
        options |= {"http-address": "", "https-address": address}
        options |= {"tls-cert-file": f"{tls.DIRECTORY}/tls.crt", "tls-key-file": f"{tls.DIRECTORY}/tls.key"}
    if args.tls != OidcTlsArgs():
        options["provider-ca-file"] = f"{_CA_DIRECTORY}/ca.crt"
    if args.issuer_url is not None:
        options["oidc-issuer-url"] = args.issuer_url
    if args.endpoints is not None:
        options |= _endpoints(args.endpoints)
        if args.provider.issues_tokens:
            options["skip-oidc-discovery"] = True
    if args.redis is not None:
        options["session-store-type"] = "redis"
        if args.redis.tls != OidcTlsArgs():
            options["redis-ca-path"] = f"{_REDIS_CA_DIRECTORY}/ca.crt"
    if args.client_id is not None:
        options["client-id"] = args.client_id
    if args.scope is not None:
        options["scope"] = args.scope
    line: list[Input[str]] = []
    for name, value in {**options, **args.extra_args}.items():
        text = str(value).lower() if isinstance(value, bool) else value
        line.append(pulumi.Output.concat(f"--{name}=", text) if isinstance(text, pulumi.Output) else f"--{name}={text}")
    domains = args.email_domains or ["*"]
    line += [pulumi.Output.concat("--email-domain=", domain) for domain in domains]
    return [*line, *(f"--oidc-extra-audience={audience}" for audience in args.extra_audiences)]


def _endpoints(args: OidcEndpointsArgs) -> dict[str, Input[str]]:
    """The addresses that are given, by the options that take them."""
    given = {
        "login-url": args.login_url,
        "redeem-url": args.redeem_url,
        "validate-url": args.validate_url,
        "profile-url": args.profile_url,
        "oidc-jwks-url": args.jwks_url,
    }
    return {option: url for option, url in given.items() if url is not None}


def _secrets(
    scope: Scope,
    args: OidcAuthArgs,
    user_secret: pulumi.Output[str],
    local_group: pulumi.Output[str],
    first: Sequence[pulumi.Resource],
) -> dict[str, SecretValue]:
    """Variables of oauth2-proxy; the group's name is secret, and so are the lists that contain it."""
    values: dict[str, SecretValue] = {
        "OAUTH2_PROXY_BASIC_AUTH_PASSWORD": user_secret,
        "OAUTH2_PROXY_HTPASSWD_USER_GROUPS": local_group,
    }
    if args.allowed_groups:
        groups = pulumi.Output.all(*args.allowed_groups, *args.admin_groups, local_group)
        values["OAUTH2_PROXY_ALLOWED_GROUPS"] = pulumi.Output.secret(groups.apply(",".join))
    if args.redis is not None and args.redis.url is not None:
        values["OAUTH2_PROXY_REDIS_CONNECTION_URL"] = pulumi.Output.secret(args.redis.url)
    elif args.redis is not None and args.redis.existing_secret is not None:
        secret = args.redis.existing_secret
        values["OAUTH2_PROXY_REDIS_CONNECTION_URL"] = SecretKey(name=secret.name, key=secret.key)
    existing = args.existing_secret
    if args.client_secret is not None:
        values["OAUTH2_PROXY_CLIENT_SECRET"] = pulumi.Output.secret(args.client_secret)
    if args.cookie_secret is not None:
        values["OAUTH2_PROXY_COOKIE_SECRET"] = pulumi.Output.secret(args.cookie_secret)
    if existing is not None:
        values["OAUTH2_PROXY_CLIENT_SECRET"] = SecretKey(name=existing.name, key=existing.client_secret_key)
        if existing.client_id_key is not None:
            values["OAUTH2_PROXY_CLIENT_ID"] = SecretKey(name=existing.name, key=existing.client_id_key)
        if existing.cookie_secret_key is not None:
            values["OAUTH2_PROXY_COOKIE_SECRET"] = SecretKey(name=existing.name, key=existing.cookie_secret_key)
    if "OAUTH2_PROXY_COOKIE_SECRET" not in values:
        values["OAUTH2_PROXY_COOKIE_SECRET"] = proxy.password(scope, "cookie-secret", first).apply(lambda s: s[:32])
    return values
