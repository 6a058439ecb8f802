"""What oauth2-proxy knows of each type of identity provider, and the addresses of one that it has to be told."""

import enum
from collections.abc import Iterable
from dataclasses import fields

from ..base import Block, Input, Problem, block
from ..checks import pattern

__all__ = ["OidcEndpointsArgs", "OidcProvider"]


class OidcProvider(enum.Enum):
    """Provider type of oauth2-proxy (https://oauth2-proxy.github.io/oauth2-proxy/configuration/providers/). Its facts are
    those of the `providers` package of version 7.15."""

    ADFS = "adfs"
    AZURE = "azure"
    BITBUCKET = "bitbucket"
    CIDAAS = "cidaas"
    DIGITALOCEAN = "digitalocean"
    ENTRA_ID = "entra-id"
    FACEBOOK = "facebook"
    GITHUB = "github"
    GITLAB = "gitlab"
    GOOGLE = "google"
    KEYCLOAK = "keycloak"
    KEYCLOAK_OIDC = "keycloak-oidc"
    LINKEDIN = "linkedin"
    NEXTCLOUD = "nextcloud"
    OIDC = "oidc"
    SOURCEHUT = "sourcehut"

    @property
    def issues_tokens(self) -> bool:
        """Whether it is taken for an OpenID Connect issuer: found by its URL, and with tokens that programs can bring."""
        return self.value in ("adfs", "azure", "cidaas", "entra-id", "gitlab", "keycloak-oidc", "oidc")

    @property
    def refreshes(self) -> bool:
        """Whether it is asked again who a user is, with a refresh token. Users of the others are taken to be unchanged."""
        return self.issues_tokens or self is OidcProvider.GOOGLE

    @property
    def names_groups(self) -> bool:
        """Whether it tells the groups of a user."""
        return self.issues_tokens or self.value in ("github", "google", "keycloak", "nextcloud")

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Fields of `endpoints` that it needs if they are given at all."""
        if self.issues_tokens:
            return ("jwks_url",)
        return {"keycloak": ("profile_url", "validate_url")}.get(self.value, ("validate_url",))

    @property
    def has_addresses(self) -> bool:
        """Whether its addresses are found by its issuer, or known, so that `endpoints` can be left out."""
        return self.value not in ("keycloak", "nextcloud")


@block
class OidcEndpointsArgs(Block):
    """Addresses of a provider that are neither published by an issuer nor known to oauth2-proxy: GitHub Enterprise Server, Gitea
    (`provider: github`), Nextcloud, or an OpenID Connect provider without discovery."""

    login_url: Input[str]
    """Where browsers log in (the authorization endpoint)."""
    redeem_url: Input[str]
    """Where oauth2-proxy exchanges a code for a token (the token endpoint)."""
    validate_url: Input[str] | None = None
    """Where it checks a token; with `github` the base of the API, such as `https://github.example.com/api/v3`."""
    profile_url: Input[str] | None = None
    """Where it asks who a user is (the userinfo endpoint)."""
    jwks_url: Input[str] | None = None
    """Where the keys are that tokens are signed with, of an OpenID Connect provider."""

    def problems(self) -> Iterable[Problem]:
        for field in fields(self):  # type: ignore[arg-type]
            what, fix = "the URL of an endpoint", "write https://host/path"
            yield from pattern(getattr(self, field.name), r"https://[^\s/?#@]+(/\S*)?", field.name, what, fix)
