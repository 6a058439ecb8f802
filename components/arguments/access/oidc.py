"""Authentication by an OpenID Connect provider, with oauth2-proxy in front of the server.

One module although it is long: the checks of `OidcAuthArgs` look at every block before it.
"""

import enum
import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from ... import versions
from .. import switches
from ..base import Block, Input, Problem, block, looks_secret, plain, secret, sort_of
from ..checks import ExistingSecret, authorities, between, counted, image_name, pattern
from ..database.connection import in_one_way
from ..kinds import LoginBlock
from ..server.resources import ResourcesArgs
from .ldap import CertificateSecretArgs
from .oidc_provider import OidcEndpointsArgs, OidcProvider

__all__ = ["OidcAuthArgs", "OidcRedisArgs", "OidcRedisSecretArgs", "OidcSecretArgs", "OidcTlsArgs", "OidcUser"]

FIRST_SAFE = (7, 15, 5)
"""Older ones can be led past the log-in (https://github.com/oauth2-proxy/oauth2-proxy/security/advisories/GHSA-63jm-59jj-478j),
and those before 7.15.2 keep sessions whose refresh token has been revoked."""

REFRESH_SECONDS = 300
"""Default of `refreshSeconds`."""

OWN_OPTIONS = {
    "provider": "use auth.oidc.provider",
    "oidc-issuer-url": "use auth.oidc.issuerUrl",
    "client-id": "use auth.oidc.clientId",
    "client-secret": "use auth.oidc.clientSecret",
    "cookie-secret": "use auth.oidc.cookieSecret",
    "redirect-url": "use auth.oidc.redirectUrl",
    "allowed-group": "use auth.oidc.allowedGroups",
    "email-domain": "use auth.oidc.emailDomains",
    "scope": "use auth.oidc.scope",
    "oidc-groups-claim": "use auth.oidc.groupsClaim",
    "oidc-extra-audience": "use auth.oidc.extraAudiences",
    "cookie-refresh": "use auth.oidc.refreshSeconds",
    "cookie-expire": "use auth.oidc.sessionSeconds",
    "skip-jwt-bearer-tokens": "use auth.oidc.bearerTokens",
    "provider-ca-file": "use auth.oidc.tls",
    **dict.fromkeys(["login-url", "redeem-url", "validate-url", "profile-url", "oidc-jwks-url", "skip-oidc-discovery"], "use auth.oidc.endpoints"),
    **dict.fromkeys(["session-store-type", "redis-connection-url", "redis-password", "redis-ca-path"], "use auth.oidc.redis"),
    **dict.fromkeys(["http-address", "https-address", "tls-cert-file", "tls-key-file", "upstream", "proxy-prefix"], "it is fixed"),
    **dict.fromkeys(["htpasswd-file", "htpasswd-user-group", "api-route"], "it is fixed"),
    **dict.fromkeys(["basic-auth-password", "pass-basic-auth", "pass-user-headers", "prefer-email-to-user"], "the server trusts it"),
    **dict.fromkeys(["skip-auth-route", "skip-auth-regex", "skip-auth-preflight", "trusted-ip"], "it would let everyone in"),
    **dict.fromkeys(["skip-auth-strip-headers", "reverse-proxy", "alpha-config", "config"], "it would switch protection off"),
}  # fmt: skip
"""Options of oauth2-proxy that this component sets, or that would weaken what it sets, and what to use instead."""


class OidcUser(enum.Enum):
    """Which claim becomes the user name in MLflow."""

    EMAIL = "email"
    PREFERRED_USERNAME = "preferredUsername"
    SUBJECT = "subject"


@block
class OidcSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the secrets of oauth2-proxy."""

    name: Input[str]
    """Name of the Secret."""
    client_secret_key: str = "client-secret"
    """Key of the client secret in the Secret."""
    client_id_key: str | None = None
    """Key of the client id in the Secret; `clientId` applies if not given."""
    cookie_secret_key: str | None = None
    """Key of the cookie secret in the Secret; if not given, `cookieSecret` applies, or a generated one."""


@block
class OidcTlsArgs(Block):
    """How the provider's certificate is verified."""

    ca_certificate: Input[str] | None = None
    """Certificate authorities in PEM form to verify it with, instead of those in the proxy's image."""
    existing_secret: CertificateSecretArgs | None = None
    """Secret that holds the certificate authorities, instead of `caCertificate`."""

    def problems(self) -> Iterable[Problem]:
        yield from authorities(self)


@block
class OidcRedisSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the URL of a Redis server."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "url"
    """Key of the URL in the Secret."""


@block
class OidcRedisArgs(Block):
    """A Redis server that keeps sessions, encrypted, instead of cookies, which are limited in size and cannot be locked."""

    one_of = ("url", "existing_secret")

    url: Input[str] | None = secret()
    """Its URL: `rediss://user:password@host:port/number`, or `redis://` without TLS. Either this or `existingSecret`."""
    existing_secret: OidcRedisSecretArgs | None = None
    """Secret that holds the URL, instead of `url`."""
    port: int | None = None
    """TCP port of the server, for network policies, where the URL is in an existing Secret; 6379 if not given."""
    tls: OidcTlsArgs = OidcTlsArgs()
    """How the certificate of a `rediss://` server is verified, if a private authority signed it."""

    def problems(self) -> Iterable[Problem]:
        yield from in_one_way(self, "give the URL as a secret, or name an existing Secret", *self.one_of)
        url = plain(self.url)
        if isinstance(url, str) and not re.fullmatch(r"rediss?://([^\s/@]*@)?[^\s/@]+(/\S*)?", url):
            message = "is not the URL of a Redis server"  # not shown, since it may hold a password
            yield Problem(("url",), message, "write rediss://user:password@host:6379/0, with special characters as %XX")
        yield from between(self.port, 1, 65_535, "port")
        if self.url is not None and self.port is not None:
            yield Problem(("port",), "is given as well as url, which holds it", "remove port")


@block
class OidcAuthArgs(LoginBlock):
    """Users log in at an OpenID Connect or OAuth 2.0 provider, by oauth2-proxy as a sidecar. MLflow stores their permissions
    and creates its own entry for each user at the first login."""

    proxied = True

    issuer_url: Input[str] | None = None
    """URL of the issuer, which serves `/.well-known/openid-configuration` below it. Required, but for the `provider` types that
    are no OpenID Connect providers (`bitbucket`, `digitalocean`, `facebook`, `github`, `google`, `keycloak`, `linkedin`,
    `nextcloud`, `sourcehut`)."""
    redirect_url: Input[str]
    """Where the provider redirects browsers to after login: the public URL of the server, its prefix, and
    `/oauth2/callback`. It must be registered with the provider. The server accepts its host."""
    tls: OidcTlsArgs = OidcTlsArgs()
    """How the provider's certificate is verified, if a private authority signed it."""
    client_id: Input[str] | None = None
    """Id of the client registered with the provider."""
    client_secret: Input[str] | None = secret()
    """Secret of that client. Either this or `existingSecret`."""
    existing_secret: OidcSecretArgs | None = None
    """Secret that holds the client secret, instead of `clientSecret`."""
    cookie_secret: Input[str] | None = secret()
    """Key that encrypts session cookies: 16, 24 or 32 bytes. Generated if not given."""
    provider: OidcProvider = OidcProvider.OIDC
    """Provider type of oauth2-proxy: `oidc` for any, or `keycloak-oidc`, `entra-id`, `gitlab`, `github`…"""
    endpoints: OidcEndpointsArgs | None = None
    """Addresses of a provider that publishes none: not needed with an issuer, nor for `github` at github.com."""
    scope: str | None = None
    """Scopes to request, separated by spaces; oauth2-proxy's default for the provider type if not given."""
    allowed_groups: list[Input[str]] = Field(default_factory=list)
    """Groups whose members may log in, with `github` organizations (`acme`) and teams (`acme:data-science`). At least one of this
    and `emailDomains` is required."""
    email_domains: list[Input[str]] = Field(default_factory=list)
    """Email domains whose users may log in; `*` admits every user of the provider."""
    admin_groups: list[Input[str]] = Field(default_factory=list)
    """Groups whose members are administrators of MLflow. They may also log in."""
    groups_claim: str = "groups"
    """Claim of the token that lists the user's groups."""
    user: OidcUser = OidcUser.EMAIL
    """Which claim becomes the user name in MLflow: `email`, `preferredUsername` or `subject`, which with `github` and `gitlab` is
    the name of the account. The provider must never reassign its values to another person, who would inherit the permissions."""
    bearer_tokens: bool = True
    """Accept bearer tokens of the issuer, if there is one, from programs (`MLFLOW_TRACKING_TOKEN`), issued for `clientId` or one of
    `extraAudiences`."""
    extra_audiences: list[str] = Field(default_factory=list)
    """Further audiences to accept in bearer tokens."""
    refresh_seconds: int | None = None
    """After how many seconds a browser's session is refreshed at the provider, so that changed groups take effect; 300 if not
    given, and 0 for never. It takes a refresh token, for which many providers want `offline_access` in `scope`. Without one,
    and with providers that cannot refresh (`github`), groups are those of the log-in until the session ends."""
    session_seconds: int = 3600
    """How many seconds a browser's session lasts since the log-in or its last refresh. Then the browser is sent to the
    provider, which asks for no password while the user is logged in there."""
    redis: OidcRedisArgs | None = None
    """Redis server for sessions; if not given, each session is in the browser's cookie."""
    admin_username: str = "mlflow-admin"
    """Name of an administrator outside the provider, with a generated password: for jobs in the cluster, and for when the
    provider is down."""
    extra_args: dict[str, Any] = Field(
        default_factory=dict, json_schema_extra={"additionalProperties": {"type": ["string", "integer", "boolean"]}}
    )
    """Further options of oauth2-proxy without the dashes, for example `{cookie-name: _mlflow}`; true is a bare flag."""
    extra_env: dict[str, Input[str]] = Field(default_factory=dict)
    """Further environment variables of oauth2-proxy, not secret."""
    image: Input[str] = versions.OAUTH2_PROXY_IMAGE
    """Container image of oauth2-proxy."""
    resources: ResourcesArgs = ResourcesArgs(cpu_request="50m", memory_request="64Mi", memory_limit="256Mi")
    """Requests and limits of oauth2-proxy."""

    def problems(self) -> Iterable[Problem]:
        yield from self._provider()
        yield from pattern(
            self.redirect_url,
            r"https?://[^\s/?#@]+(/[A-Za-z0-9._~-]+)*/oauth2/callback",
            "redirect_url",
            "a redirect URL",
            "write the public URL of the server with its prefix, and /oauth2/callback: https://mlflow.example.com/oauth2/callback",
        )
        yield from self._client()
        if not self.allowed_groups and not self.email_domains:
            yield Problem(
                ("allowed_groups",),
                "is required, or emailDomains",
                "name the groups that may log in, or let in whoever the provider lets in with emailDomains: ['*']",
                either=(("email_domains",),),
            )
        for field in ("allowed_groups", "admin_groups"):
            for index, group in enumerate(getattr(self, field)):
                for problem in pattern(group, r"[^,\s][^,\n]*", field, "a group", "write one group each, without ','"):
                    yield Problem((field, index), problem.message, problem.fix)
        for index, domain in enumerate(self.email_domains):
            fix = "write the part behind the '@', for example example.com, or '*' alone"
            regex = r"\*|(\*?\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
            for problem in pattern(domain, regex, "email_domains", "a domain of mail addresses", fix):
                yield Problem(("email_domains", index), problem.message, problem.fix)
        yield from pattern(
            self.admin_username,
            r"[A-Za-z0-9._-]{1,64}",
            "admin_username",
            "a user name",
            "use letters, digits, '.', '_', '-'",
        )
        if isinstance(self.scope, str):
            spaced = " ".join(re.findall(r"[^\s,;]+", self.scope))
            what = "a list of scopes, separated by spaces"
            yield from pattern(self.scope, r"[^\s,;]+( [^\s,;]+)*", "scope", what, f"write {spaced!r}")
        yield from self._session()
        yield from self._extras()
        yield from self._image()

    @property
    def refresh(self) -> int:
        """`refresh_seconds`, or its default; 0 for never."""
        if self.refresh_seconds is not None:
            return self.refresh_seconds
        return REFRESH_SECONDS if self.provider.refreshes and self.session_seconds > REFRESH_SECONDS else 0

    def insecure(self) -> Iterable[Problem]:
        yield from switches.insecure("extra_args", self.extra_args, switches.oauth2_proxy)
        yield from switches.insecure("extra_env", self.extra_env, switches.oauth2_proxy)

    def _provider(self) -> Iterable[Problem]:
        kind = self.provider
        issuer, suffix = plain(self.issuer_url), "/.well-known/openid-configuration"
        if isinstance(issuer, str) and issuer.rstrip("/").endswith(suffix):
            fix = f"write {issuer.rstrip('/').removesuffix(suffix)!r}"
            yield Problem(
                ("issuer_url",), f"{issuer!r} is the URL of the discovery document, which is found itself", fix
            )
        url = r"https://[^\s/?#@]+(/[^\s?#]*)?"
        yield from pattern(self.issuer_url, url, "issuer_url", "the URL of an issuer", "write https://host/path")
        given = self.endpoints
        if given is None and not kind.has_addresses:
            yield Problem(("endpoints",), f"is required for provider {kind.value}", "give its addresses")
        for field in kind.endpoints if given is not None else ():
            if getattr(given, field) is None:
                message = f"is required with endpoints of provider {kind.value}"
                yield Problem(("endpoints", field), message, "write https://host/path")
        yield from self._foreign()
        if kind.issues_tokens and self.issuer_url is None:
            fix = "give the URL of the issuer, or name a provider that has none, such as github"
            yield Problem(("issuer_url",), f"is required for provider {kind.value}", fix, either=(("provider",),))

    def _foreign(self) -> Iterable[Problem]:
        """What the provider type does not know."""
        kind, given = self.provider, self.endpoints
        if not kind.issues_tokens:
            message = f"has no meaning for {kind.value}, which is not used as an OpenID Connect provider"
            meaningless = {
                ("issuer_url",): self.issuer_url is not None,
                ("extra_audiences",): bool(self.extra_audiences),
                ("groups_claim",): self.groups_claim != "groups",
                ("endpoints", "jwks_url"): given is not None and given.jwks_url is not None,
            }
            for path in (path for path, is_given in meaningless.items() if is_given):
                yield Problem(path, message, "leave it out, or use provider: oidc")
            if self.user is OidcUser.PREFERRED_USERNAME:
                yield Problem(
                    ("user",), f"{kind.value} does not tell a preferred user name", "use 'email' or 'subject'"
                )
        for field in ("allowed_groups", "admin_groups"):
            if getattr(self, field) and not kind.names_groups:
                message = f"oauth2-proxy does not know the groups of users of {kind.value}"
                yield Problem((field,), message, "leave it out; emailDomains says who may log in")

    def _client(self) -> Iterable[Problem]:
        existing = self.existing_secret
        if self.client_id is None and (existing is None or existing.client_id_key is None):
            yield Problem(
                ("client_id",),
                "is required",
                "give the id that the client is registered with, or existingSecret.clientIdKey",
                either=(("existing_secret",),),
            )
        if self.client_secret is None and existing is None:
            yield Problem(
                ("client_secret",),
                "is required, or existingSecret",
                "pulumi config set --secret --path 'mlflow:auth.oidc.clientSecret', or name an existing Secret",
                either=(("existing_secret",),),
            )
        given = {"client_secret": True}
        if existing is not None:
            given |= {
                "client_id": existing.client_id_key is not None,
                "cookie_secret": existing.cookie_secret_key is not None,
            }
            for field in (field for field, inside in given.items() if inside and getattr(self, field) is not None):
                yield Problem((field,), "is given as well as in existingSecret", "keep one of them")
        cookie = plain(self.cookie_secret)
        if isinstance(cookie, str) and len(cookie.encode()) not in (16, 24, 32):
            yield Problem(("cookie_secret",), f"has {counted(len(cookie.encode()), 'byte')}", "use 16, 24 or 32")

    def _session(self) -> Iterable[Problem]:
        yield from between(self.session_seconds, 60, 604_800, "session_seconds", "seconds")
        yield from between(self.refresh_seconds, 0, 86_400, "refresh_seconds", "seconds")
        if self.refresh_seconds and not self.provider.refreshes:
            message = f"has no effect: oauth2-proxy cannot refresh sessions of {self.provider.value}"
            yield Problem(("refresh_seconds",), message, "leave it out; sessionSeconds limits how old groups can be")
        elif self.refresh >= self.session_seconds:
            message = (
                f"{self.refresh} is not less than sessionSeconds, {self.session_seconds}: no session would get so old"
            )
            yield Problem(("refresh_seconds",), message, "use less, or 0 for never")

    def _extras(self) -> Iterable[Problem]:
        for option, value in self.extra_args.items():
            bare = option.lstrip("-").replace("_", "-")
            if bare.rstrip("s") in OWN_OPTIONS or bare in OWN_OPTIONS:
                yield Problem(
                    ("extra_args", option),
                    "is set by this component",
                    OWN_OPTIONS.get(bare) or OWN_OPTIONS[bare.rstrip("s")],
                )
            elif not re.fullmatch(r"[a-z][a-z0-9-]*", option):
                yield Problem(("extra_args", option), "is not the name of an option", f"write {bare.lower()!r}")
            elif not isinstance(value, (str, int)):
                message = f"expected a string, a whole number or true, got {sort_of(value)}"
                yield Problem(("extra_args", option), message, "write one of them; true is a bare flag")
        for name in self.extra_env:
            bare = name.removeprefix("OAUTH2_PROXY_").lower().replace("_", "-")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                fix = "use letters, digits and '_'"
                yield Problem(("extra_env", name), "is not the name of an environment variable", fix)
            elif name.startswith("OAUTH2_PROXY_") and (bare in OWN_OPTIONS or bare.rstrip("s") in OWN_OPTIONS):
                fix = OWN_OPTIONS.get(bare) or OWN_OPTIONS[bare.rstrip("s")]
                yield Problem(("extra_env", name), "is set by this component", fix)
            elif looks_secret(name):
                message = "looks like a secret and would be readable in the pod's specification"
                yield Problem(("extra_env", name), message, "use clientSecret or cookieSecret")

    def _image(self) -> Iterable[Problem]:
        yield from image_name(self.image, "image")
        image = plain(self.image)
        old = re.search(r"/oauth2-proxy:v?(\d+)\.(\d+)(?:\.(\d+))?\b", image) if isinstance(image, str) else None
        if old and tuple(int(part) for part in old.groups() if part) < FIRST_SAFE[: 3 if old[3] else 2]:
            message = f"{image!r} can be led past the log-in, and keeps sessions that the provider has revoked"
            yield Problem(("image",), message, f"use version {'.'.join(map(str, FIRST_SAFE))} or newer")
