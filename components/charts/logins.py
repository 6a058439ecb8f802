"""Transformations of values that say who may log in."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..arguments.access.auth import PASSWORD_LENGTH
from .conversion import Conversion, Outcome, Transformation, resources
from .own_users import LOST, SETTINGS, first_administrator, given_password, password_of_file, settings_file
from .rows import entries
from .stores import database_uri, on_claim, server

__all__ = ["BY"]

_USERS = "users.db"
"""Name of the file of users next to that of `database.sqlite`."""
_MEMBERS = {"member": "member", "uniquemember": "uniqueMember", "memberuid": "memberUid"}
_TLS = {"required": "verify", "optional": "require", "none": "disable"}


def _app_name(c: Conversion, given: Mapping[str, Any]) -> None:
    if not (name := c.text("server.value_options.app_name")):
        return
    _application(c, name)
    found = {variable: (f"{path}.{variable}", value) for path, variable, value in entries(c)}
    settings_file(c, *found.get(SETTINGS, ("", None)))
    if name == "basic-auth":
        first_administrator(c, found)
        if not c.has("auth.basic.existingConfig"):
            c.remarks.append(LOST)


def _application(c: Conversion, name: str) -> None:
    if name == "basic-auth":
        c.put("auth.basic", {})
    else:
        c.put("auth.app.name", name)


def _login(c: Conversion, given: Mapping[str, Any]) -> None:
    if c.chart.name == "deprecated":
        _deprecated(c)
        return
    if c.text("flaskServerSecretKey"):
        names = {"flaskSecretKeyKey": "MLFLOW_FLASK_SERVER_SECRET_KEY"}
        c.held("keys.existingSecret", "flask-server-secret-key", "flaskServerSecretKey", **names)
    if not c.on("auth.enabled"):
        return
    _application(c, c.text("auth.appName"))
    if "auth.defaultPermission" in given:
        c.put("auth.defaultPermission", c.get("auth.defaultPermission"))
    if not c.has("auth.basic"):
        for path in given:
            if path.startswith(("auth.admin", "auth.existingAdmin", "auth.authorization", "auth.postgres")):
                c.left(
                    path,
                    "the application keeps its settings itself: server.env, server.secretEnv, auth.app.existingConfig",
                )
        c.config["auth"].pop("defaultPermission", None)
        return
    if "auth.authorizationFunction" in given:
        c.put("auth.basic.authorizationFunction", c.text("auth.authorizationFunction"))
    _administrator(c)
    _users(c)


def _administrator(c: Conversion) -> None:
    keys = {name: c.text(f"auth.existingAdminSecret.{name}") for name in ("usernameKey", "passwordKey")}
    password = c.get("auth.adminPassword")
    if existing := c.text("auth.existingAdminSecret.name"):
        c.refer("auth.basic.existingSecret", existing, **keys)
        c.remarks.append(
            f"MLflow requires {PASSWORD_LENGTH} characters of the administrator's password; the one in the Secret {existing} is not known here."
        )
    elif password and len(str(password)) < PASSWORD_LENGTH:
        c.put("auth.basic.adminUsername", c.text("auth.adminUsername") or "admin")
        why = f"is too short: MLflow requires {PASSWORD_LENGTH} characters. Leave it out to have one generated"
        c.left(
            "auth.adminPassword",
            f"{why}, or set a new one: pulumi config set --secret --path 'mlflow:auth.basic.adminPassword'",
        )
    elif password:
        names = {"usernameKey": "username", "passwordKey": "password"}
        c.held("auth.basic.existingSecret", "auth-admin-secret", "auth.adminPassword", "auth.adminUsername", **names)
    elif name := c.text("auth.adminUsername"):
        c.put("auth.basic.adminUsername", name)


def _users(c: Conversion) -> None:
    if c.on("auth.postgres.enabled"):
        ours = "auth.database.postgresql"
        server(c, "auth.postgres", ours)
        if existing := c.text("auth.postgres.existingSecret.name"):
            keys = {name: c.text(f"auth.postgres.existingSecret.{name}") for name in ("usernameKey", "passwordKey")}
            c.refer(f"{ours}.existingSecret", existing, **keys)
        else:
            names = {"usernameKey": "username", "passwordKey": "password"}
            c.held(f"{ours}.existingSecret", "auth-pg-secret", "auth.postgres.password", "auth.postgres.user", **names)
        return
    # The chart puts the two together as they are.
    folder = c.text("auth.sqliteFullPath")
    found = on_claim(c, f"{folder}{c.text('auth.sqliteFile')}") if folder else None
    if found is None:
        c.remarks.append(LOST)
        return
    claim, inside = found
    volume = c.config.get("database", {}).get("sqlite", {}).get("volume", {})
    if volume.get("existingClaim") != claim:
        c.left(
            "auth.sqliteFullPath",
            "users are in the database of experiments here; create them again, or see docs/charts.md",
        )
    elif inside != (place := posixpath.join(volume.get("subPath", ""), _USERS)):
        c.rename(claim, inside, place)
        c.left("auth.sqliteFullPath", f"the file of users is {place} on the claim here: rename {inside}")
    else:
        c.say("auth.sqliteFullPath", Outcome.CARRIED, "on the claim that is taken over", "database.sqlite.volume")


def _deprecated(c: Conversion) -> None:
    block = "trackingServer.basicAuth"
    if not c.on(f"{block}.enabled"):
        return
    c.put("auth.basic", {})
    if existing := c.text(f"{block}.existingSecret"):
        c.refer("auth.basic.existingConfig", existing, key="basic_auth.ini")
        password_of_file(c, f"{block}.existingSecret")
        return
    made = f"{block}.createSecret"
    for name, ours in (
        ("defaultPermission", "auth.defaultPermission"),
        ("adminUsername", "auth.basic.adminUsername"),
        ("authorizationFunction", "auth.basic.authorizationFunction"),
    ):
        if value := c.text(f"{made}.{name}"):
            c.put(ours, value)
    if password := c.get(f"{made}.adminPassword"):
        given_password(c, f"{made}.adminPassword", str(password))
    uri = c.text(f"{made}.databaseUri")
    if uri.startswith("sqlite"):
        c.left(
            f"{made}.databaseUri", "users are next to the experiments here; create them again, or see docs/charts.md"
        )
    elif uri:
        database_uri(c, "auth.database.uri", f"{made}.databaseUri", uri)


def _ldap(c: Conversion, given: Mapping[str, Any]) -> None:
    if not c.on("ldapAuth.enabled"):
        return
    uri = c.text("ldapAuth.uri")
    c.put("auth.ldap.uri", re.match(r"[a-z]+://[^/]*|", uri)[0] or uri)  # type: ignore[index]
    mode = c.text("ldapAuth.tlsVerification")
    c.put("auth.ldap.tls.mode", _TLS.get(mode, mode))
    if mode != "none" and uri.startswith("ldap://"):
        c.remarks.append(
            "The chart sends passwords to ldap:// in clear; here it is StartTLS, which the directory must offer."
        )
    for name, ours in (
        ("lookupBind", "userDn"),
        ("userGroupDistinguishedName", "userGroup"),
        ("adminGroupDistinguishedName", "adminGroup"),
    ):
        if value := c.text(f"ldapAuth.{name}"):
            c.put(f"auth.ldap.{ours}", value)
    attribute, filter_ = c.text("ldapAuth.groupAttribute"), c.text("ldapAuth.searchFilter")
    if attribute.lower() == "memberof":
        c.put("auth.ldap.groupAttribute", attribute)
    elif found := re.search(r"\(([A-Za-z]+)=%s\)", filter_):
        c.put("auth.ldap.memberAttribute", _MEMBERS.get(found[1].lower(), found[1]))
    else:
        c.left(
            "ldapAuth.searchFilter", "set auth.ldap.memberAttribute to the attribute of a group that holds its members"
        )
    if encoded := c.text("ldapAuth.encodedTrustedCACertificate"):
        try:
            c.put("auth.ldap.tls.caCertificate", base64.b64decode(encoded, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            c.left("ldapAuth.encodedTrustedCACertificate", "is no Base64 of a certificate in PEM form")
    elif name := c.text("ldapAuth.externalSecretForTrustedCACertificate"):
        c.refer("auth.ldap.tls.existingSecret", name)


def _oauth2_proxy(c: Conversion, given: Mapping[str, Any]) -> None:
    block, ours = "oauth2Proxy", "auth.oidc"
    if not c.on(f"{block}.enabled"):
        return
    provider = c.text(f"{block}.provider.name")
    c.put(f"{ours}.provider", {"keycloak": "keycloak-oidc"}.get(provider, provider))
    for name, field in (("issuerURL", "issuerUrl"), ("clientID", "clientId"), ("redirectURL", "redirectUrl")):
        if value := c.text(f"{block}.provider.{name}"):
            c.put(f"{ours}.{field}", value)
    keys = {
        f"{field}Key": c.text(f"{block}.existingSecret.{theirs}Key")
        for theirs, field in (
            ("clientID", "clientId"),
            ("clientSecret", "clientSecret"),
            ("cookieSecret", "cookieSecret"),
        )
    }
    if existing := c.text(f"{block}.existingSecret.name"):
        c.refer(f"{ours}.existingSecret", existing, **keys)
    elif c.text(f"{block}.provider.clientSecret"):
        secrets = [f"{block}.provider.clientSecret", f"{block}.cookieSecret", f"{block}.provider.clientID"]
        c.held(f"{ours}.existingSecret", "oauth2-proxy", *secrets, **keys)
    if c.has(f"{ours}.existingSecret"):
        c.config["auth"]["oidc"].pop("clientId", None)
    if f"{block}.image.repository" in c.given or f"{block}.image.tag" in c.given:
        repository, tag = (c.text(f"{block}.image.{name}") for name in ("repository", "tag"))
        if repository and tag:
            c.put(f"{ours}.image", f"{repository}:{tag}")
        else:
            for name in ("repository", "tag"):
                if f"{block}.image.{name}" in c.given:
                    c.left(
                        f"{block}.image.{name}",
                        "give repository and tag in auth.oidc.image, or leave it to the default",
                    )
    _proxy_arguments(c, given.get(f"{block}.extraArgs"), ours)
    if isinstance(variables := given.get(f"{block}.extraEnv"), Mapping):
        c.put(f"{ours}.extraEnv", {str(key): str(value) for key, value in variables.items()})
    if isinstance(given_ := given.get(f"{block}.resources"), Mapping):
        c.put(f"{ours}.resources", resources(given_))


def _proxy_arguments(c: Conversion, arguments: Any, ours: str) -> None:
    lists = {"email-domain": "emailDomains", "allowed-group": "allowedGroups", "oidc-extra-audience": "extraAudiences"}
    texts = {
        "scope": "scope",
        "oidc-groups-claim": "groupsClaim",
        "oidc-issuer-url": "issuerUrl",
        "redirect-url": "redirectUrl",
    }
    for each in arguments if isinstance(arguments, list) else ():
        name, has_value, value = str(each).lstrip("-").partition("=")
        if name in lists:
            target = c.config["auth"]["oidc"].setdefault(lists[name], [])
            target += [part.strip() for part in value.split(",")]
        elif name in texts:
            c.put(f"{ours}.{texts[name]}", value)
        else:
            c.put(f"{ours}.extraArgs", {name: {"true": True}.get(value, value) if has_value else True})


def _oidc(c: Conversion, given: Mapping[str, Any]) -> None:
    block, ours = "oidcAuth", "auth.oidc"
    if not c.on(f"{block}.enabled"):
        return
    issuer = c.text(f"{block}.discoveryUrl").removesuffix("/.well-known/openid-configuration")
    for field, value in (("issuerUrl", issuer), ("clientId", c.text(f"{block}.clientId"))):
        if value:
            c.put(f"{ours}.{field}", value)
    if redirect := c.text(f"{block}.redirectUri"):
        parts = urlsplit(redirect)
        c.put(f"{ours}.redirectUrl", f"{parts.scheme}://{parts.netloc}/oauth2/callback")
    if f"{block}.scope" in given:
        c.put(f"{ours}.scope", " ".join(re.split(r"[,\s]+", c.text(f"{block}.scope"))))
    if audience := c.text(f"{block}.audience"):
        c.put(f"{ours}.extraAudiences", [audience])
    if f"{block}.groupsAttribute" in given:
        c.put(f"{ours}.groupsClaim", c.text(f"{block}.groupsAttribute"))
    for name, field in (("groupName", "allowedGroups"), ("adminGroupName", "adminGroups")):
        if groups := _listed(c.get(f"{block}.{name}")):
            c.put(f"{ours}.{field}", groups)
    key = c.text(f"{block}.existingSecret.clientSecretKey")
    if existing := c.text(f"{block}.existingSecret.name"):
        c.refer(f"{ours}.existingSecret", existing, clientSecretKey=key)
    elif c.text(f"{block}.clientSecret"):
        c.held(
            f"{ours}.existingSecret", "oidc-auth-secret", f"{block}.clientSecret", clientSecretKey="OIDC_CLIENT_SECRET"
        )
    _oidc_session(c, given, block, ours)
    for path in given:
        if path.startswith(f"{block}.database."):
            c.left(
                path, "the plugin's tables are its own: users log in anew, and permissions are granted again in MLflow"
            )


def _listed(value: Any) -> list[str]:
    """A list, or text with commas."""
    given = value if isinstance(value, list) else str(value or "").split(",")
    return [text for each in given if (text := str(each).strip())]


def _oidc_session(c: Conversion, given: Mapping[str, Any], block: str, ours: str) -> None:
    for name, option in (
        ("providerDisplayName", "provider-display-name"),
        ("sessionCookieSecure", "cookie-secure"),
        ("sessionCookieSamesite", "cookie-samesite"),
        ("cache.keyPrefix", "cookie-name"),
    ):
        if f"{block}.{name}" in given:
            value = given[f"{block}.{name}"]
            c.put(
                f"{ours}.extraArgs", {option: str(value).lower() if isinstance(value, bool) else str(value).rstrip(":")}
            )
    if f"{block}.defaultPermission" in given:
        c.put("auth.defaultPermission", c.text(f"{block}.defaultPermission"))
    if c.on(f"{block}.cache.enabled") and (url := c.text(f"{block}.cache.redisUrl")):
        c.secret(f"{ours}.redis.url", f"{block}.cache.redisUrl", url)


BY: dict[str, Transformation] = {
    "app_name": _app_name,
    "login": _login,
    "ldap": _ldap,
    "oauth2_proxy": _oauth2_proxy,
    "oidc": _oidc,
}
