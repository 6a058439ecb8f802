"""oauth2-proxy as a sidecar of the server: it authenticates users with an OpenID Connect provider, and checks tokens."""

from collections.abc import Sequence

import pulumi

from ..arguments import Input, OidcAuthArgs, OidcTlsArgs, OidcUser
from ..contracts import SecretKey, SecretValue
from . import proxy, tls
from .containers import drain
from .environment import plain_environment, secret_environment
from .part import PodPart
from .scope import Scope
from .volumes import secret_volume

_ACCOUNTS = "/etc/mlflow/proxy-accounts"
_CA_DIRECTORY = "/etc/mlflow/provider"
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
    return proxy.behind(scope, container, trusted, volumes, proxy.destination(args.issuer_url, "auth.oidc.issuerUrl"))


def _arguments(scope: Scope, args: OidcAuthArgs) -> list[Input[str]]:
    """Options of oauth2-proxy (https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview)."""
    server = scope.args.server
    prefix = server.static_prefix
    options: dict[str, Input[str] | bool] = {
        "provider": args.provider.value,
        "oidc-issuer-url": args.issuer_url,
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
        "skip-jwt-bearer-tokens": args.bearer_tokens,
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
