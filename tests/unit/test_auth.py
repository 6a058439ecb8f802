"""Refusals of the blocks that say who may log in, and the settings that come of them."""

from typing import Any

import pytest

from components import versions
from tests.configurations import CERTIFICATE, DEV, PRODUCTION, changed, with_changes
from tests.graph.program import deploy
from tests.unit.refusals import messages

DN = "cn=a,dc=example,dc=com"
LDAP = {"uri": "ldaps://ldap", "userDn": "uid=%s,ou=people,dc=example,dc=com", "userGroup": DN, "adminGroup": DN}
SEARCH = {"base": "dc=example,dc=com", "bindDn": DN, "bindPassword": "p"}
OIDC = {
    "issuerUrl": "https://id.example.com",
    "redirectUrl": "https://mlflow.example.com/oauth2/callback",
    "clientId": "mlflow",
    "clientSecret": "s",
    "allowedGroups": ["a"],
}
GITHUB = {**{key: value for key, value in OIDC.items() if key != "issuerUrl"}, "provider": "github"}
ENDPOINTS = {"loginUrl": "https://h/login", "redeemUrl": "https://h/token"}
API = {**ENDPOINTS, "validateUrl": "https://h/api/v3"}
SECRET = {"existingSecret": {"name": "s", "clientIdKey": "id"}}
OWN = {"postgresql": {"host": "h", "password": "p"}}

# Path, block that is changed there, what is refused there, what is accepted there.
CASES: list[tuple[dict[str, Any], str, list[Any], list[Any]]] = [
    ({}, "", [{}, {"basic": {}, "ldap": LDAP}, {"basic": {}, "oidc": OIDC}, {"none": {}}], [{"basic": {}}]),
    ({"basic": {}}, "basic.adminPassword", ["short", "a" * 11, "password1234", "ü" * 12, "a" * 11 + "\n"], ["a" * 12, "%/:@ '\"\\$!~;"]),
    ({"basic": {}}, "basic.adminUsername", ["", "a:b", "a b", "ü", "a" * 256], ["admin", "a.b@c"]),
    ({"basic": {"adminPassword": "a" * 12}}, "basic.existingSecret", [{"name": "s"}], [None]),
    ({"basic": {}}, "basic.existingSecret", [{}, {"name": "S"}, {"name": "s", "passwordKey": "a b"}], [{"name": "s", "usernameKey": "u"}]),
    ({"basic": {}}, "basic.authorizationFunction", ["f", "a.b", "a:b:c", "a b:c"], ["a:b", "a.b_c:d"]),
    ({"basic": {}}, "basic.credentialCacheSeconds", [-1, 86_401], [0, 60]),
    ({"basic": {}}, "basic.existingConfig", [{}, {"name": "s", "key": ""}], [{"name": "s"}, {"name": "s", "key": "k"}]),
    ({"basic": {"existingConfig": {"name": "s"}}}, "basic.authorizationFunction", ["a:b"], [None]),
    ({"basic": {"existingConfig": {"name": "s"}}}, "basic.credentialCacheSeconds", [60], [0]),
    ({"basic": {"existingConfig": {"name": "s"}}}, "database", [OWN], [None]),
    ({"basic": {"existingConfig": {"name": "s"}}}, "defaultPermission", ["EDIT"], [None]),
    ({"basic": {}}, "defaultPermission", ["read", "NONE"], ["READ", "USE", "EDIT", "MANAGE", "NO_PERMISSIONS"]),
    ({"basic": {}}, "workspaceCacheSeconds", [0, 86_401], [1, 3600]),
    ({"basic": {}}, "database", [{}, {"sqlite": {}}, {"uri": {"value": "sqlite:///x"}}, {**OWN, "uri": {"value": "u"}}], [OWN, None]),
    ({"app": {"name": "ours"}}, "app.name", ["", "basic-auth", "a b", "-a", "a/b"], ["oidc-auth", "a.b_c"]),
    ({"app": {"name": "ours"}}, "app.existingConfig", [{}, {"name": "s", "key": ""}], [{"name": "s"}]),
    ({"app": {"name": "ours"}}, "app.existingSecret", [{}, {"name": "S"}], [{"name": "s", "usernameKey": "u"}]),
    ({"app": {"name": "ours"}}, "defaultPermission", ["READ"], [None]),
    ({"app": {"name": "ours"}}, "database", [OWN], [None]),
    ({"app": {"name": "ours"}}, "basic", [{}], [None]),
    ({"ldap": LDAP}, "ldap.uri", ["ldap", "http://ldap", "ldaps://", "ldaps://h/dc=x", "ldap://h:x", "ldap://h:70000"], ["ldap://h", "ldaps://h:636", "ldap://[fd00::1]:389/"]),
    ({"ldap": LDAP}, "ldap.userDn", ["uid=x,dc=y", "%s", "%s@example.com", "uid=%s,ou=%s,dc=x", "uid=%s"], ["cn=%s,dc=x"]),
    ({"ldap": {**LDAP, "search": {"base": "dc=x"}}}, "ldap.userDn", ["%s%s"], ["%s@example.com", None]),
    ({"ldap": LDAP}, "ldap.userDn", [None], []),
    ({"ldap": LDAP}, "ldap.userGroup", ["users", "cn=a,users", "cn=${a},dc=x", None], [DN, "cn=a b,dc=x", r"cn=a\,b,dc=x"]),
    ({"ldap": LDAP}, "ldap.adminGroup", ["", "a"], [DN, None]),
    ({"ldap": LDAP}, "ldap.groupAttribute", ["", "a b", "memberOf=", "a)(b", "memberOf:1.2"], ["memberOf", "memberOf:1.2.840.113556.1.4.1941:"]),
    ({"ldap": {**LDAP, "groupAttribute": "memberOf"}}, "ldap.memberAttribute", ["uniqueMember"], ["member"]),
    ({"ldap": {**LDAP, "groupAttribute": "memberOf"}}, "ldap.memberIs", ["username"], ["dn"]),
    ({"ldap": LDAP}, "ldap.anyUser", [True], [False]),
    ({"ldap": LDAP}, "ldap.tls.mode", ["disable", "none", "verify-full", "require"], ["verify"]),
    ({"ldap": {**LDAP, "uri": "ldap://h"}}, "ldap.tls.mode", ["require", "disable"], ["verify"]),
    ({"ldap": LDAP}, "ldap.tls", [{"caCertificate": "x"}, {"mode": "require", "caCertificate": CERTIFICATE}, {"caCertificate": CERTIFICATE, "existingSecret": {"name": "s"}}], [{"caCertificate": CERTIFICATE}, {"existingSecret": {"name": "s"}}]),
    ({"ldap": LDAP}, "ldap.memberAttribute", ["", "a b", "1a"], ["uniqueMember"]),
    ({"ldap": LDAP}, "ldap.memberIs", ["DN", "uid"], ["dn", "username"]),
    ({"ldap": LDAP}, "ldap.cacheSeconds", [-1, 86_401], [0, 600]),
    ({"ldap": LDAP}, "ldap.adminUsername", ["", "a:b", "a b"], ["a-b"]),
    ({"ldap": LDAP}, "ldap.image", ["httpd", "https://r/h:1", "r/h:"], ["r.example:5000/h:2.4", "h@sha256:" + "0" * 64]),
    ({"ldap": LDAP}, "ldap.search", [SEARCH, {"base": "x"}, {"base": "dc=x", "bindPassword": "p"}], [{"base": "dc=x"}]),
    ({"ldap": {**LDAP, "userDn": None}}, "ldap.search", [{**SEARCH, "bindPassword": None}, {**SEARCH, "existingSecret": {"name": "s"}}, {**SEARCH, "filter": "a=b"}, {**SEARCH, "filter": "(uid=${X})"}, {**SEARCH, "filter": "(a=%{b})"}, {**SEARCH, "bindDn": "cn=${X}"}], [SEARCH, {"base": "dc=x", "attribute": "sAMAccountName"}]),
    ({"oidc": OIDC}, "oidc.issuerUrl", [None, "https://h/realms/x/.well-known/openid-configuration", "id.example.com", "http://id.example.com", "https://u:p@h", "https://h:70000/x"], ["https://h/realms/x"]),
    ({"oidc": OIDC}, "oidc.redirectUrl", ["https://h:70000/oauth2/callback", "https://h", "https://h/callback", "https://h/team/oauth2/callback", "http://h/oauth2/callback", ""], ["https://h:8443/oauth2/callback", "http://localhost:8080/oauth2/callback"]),
    ({"oidc": OIDC}, "oidc.clientId", [None], ["a"]),
    ({"oidc": OIDC}, "oidc.clientSecret", [None], ["a"]),
    ({"oidc": OIDC}, "oidc.existingSecret", [{"name": "s"}], [None]),
    ({"oidc": {**OIDC, **SECRET}}, "oidc.clientId", ["mlflow"], []),
    ({"oidc": {**OIDC, "clientId": None, "clientSecret": None}}, "oidc.existingSecret", [{"name": "s"}, {}], [{"name": "s", "clientIdKey": "id"}]),
    ({"oidc": OIDC}, "oidc.cookieSecret", ["a" * 15, "a" * 33], ["a" * 16, "a" * 24, "a" * 32]),
    ({"oidc": OIDC}, "oidc.allowedGroups", [[], ["a,b"], [""]], [["a b", "/a"]]),
    ({"oidc": {**OIDC, "allowedGroups": []}}, "oidc.emailDomains", [[], ["@example.com"], ["a@example.com"], ["a b"]], [["*"], ["example.com"], [".example.com"]]),
    ({"oidc": OIDC}, "oidc.tls", [{"caCertificate": "x"}, {"caCertificate": CERTIFICATE, "existingSecret": {"name": "s"}}, {"mode": "verify"}], [{}, {"caCertificate": CERTIFICATE}, {"existingSecret": {"name": "s", "key": "k"}}]),
    ({"oidc": OIDC}, "oidc.user", ["mail"], ["email", "preferredUsername", "subject"]),
    ({"oidc": OIDC}, "oidc.provider", ["entra_id", "OIDC", "okta"], ["entra-id", "keycloak-oidc"]),
    ({"oidc": {**OIDC, "endpoints": {**ENDPOINTS, "jwksUrl": "https://h/k"}}}, "oidc.issuerUrl", [None], ["https://h"]),
    ({"oidc": OIDC}, "oidc.scope", ["openid,email,profile", "openid, email", " openid", "openid;email"], ["openid email groups", "user:email read:org"]),
    ({"oidc": OIDC}, "oidc.endpoints", [{}, ENDPOINTS, {**ENDPOINTS, "jwksUrl": "http://h/k"}], [{**ENDPOINTS, "jwksUrl": "https://h/k"}]),
    ({"oidc": GITHUB}, "oidc.endpoints", [ENDPOINTS, {**API, "jwksUrl": "https://h/k"}], [None, API]),
    ({"oidc": GITHUB}, "oidc.issuerUrl", ["https://github.com"], [None]),
    ({"oidc": GITHUB}, "oidc.extraAudiences", [["a"]], [[]]),
    ({"oidc": GITHUB}, "oidc.groupsClaim", ["roles"], ["groups"]),
    ({"oidc": GITHUB}, "oidc.user", ["preferredUsername"], ["email", "subject"]),
    ({"oidc": GITHUB}, "oidc.refreshSeconds", [300], [0, None]),
    ({"oidc": GITHUB}, "oidc.provider", ["oidc", "facebook", "nextcloud"], ["github", "google"]),
    ({"oidc": {**GITHUB, "provider": "nextcloud"}}, "oidc.endpoints", [None, ENDPOINTS], [API]),
    ({"oidc": {**GITHUB, "provider": "keycloak"}}, "oidc.endpoints", [None, API], [{**API, "profileUrl": "https://h/u"}]),
    ({"oidc": OIDC}, "oidc.redis", [{}, {"url": "r"}, {"url": "rediss://u:p@h:70000/0"}, {"url": "http://h"}, {"url": "redis://u:p@q@h"}, {"url": "redis://h", "port": 1}, {"existingSecret": {"name": "s"}, "port": 0}, {"url": "redis://h", "tls": {"caCertificate": "x"}}], [{"url": "redis://h"}, {"url": "rediss://u:%40@[fd00::1]:6380/0?a=b"}, {"existingSecret": {"name": "s", "key": "k"}}]),
    ({"oidc": OIDC}, "oidc.refreshSeconds", [-1, 3600, 86_401], [0, 1, 3599]),
    ({"oidc": OIDC}, "oidc.sessionSeconds", [0, 59, 604_801], [60, 300, 604_800]),
    ({"oidc": {**OIDC, "refreshSeconds": 600}}, "oidc.sessionSeconds", [600], [601]),
    ({"oidc": OIDC}, "oidc.extraArgs", [{"cookie-expire": "8h"}, {"cookie_refresh": "1h"}, {"login-url": "x"}, {"redis-password": "x"}, {"upstream": "x"}, {"provider-ca-file": "x"}, {"skip-auth-routes": "x"}, {"reverse_proxy": True}, {"A": 1}, {"a": []}], [{"cookie-name": "_mlflow", "request-logging": False}]),
    ({"oidc": OIDC}, "oidc.extraEnv", [{"OAUTH2_PROXY_UPSTREAMS": "x"}, {"1": "x"}, {"A_TOKEN": "x"}], [{"HTTPS_PROXY": "http://p:3128"}]),
    ({"oidc": OIDC}, "oidc.image", ["quay.io/oauth2-proxy/oauth2-proxy:v7.15.4", "r.example/oauth2-proxy:7.9", "o"], ["r.example/oauth2-proxy:v8.0.0", versions.OAUTH2_PROXY_IMAGE, "r.example/o:1"]),
]  # fmt: skip


def cases(accepted: bool) -> list[Any]:
    return [
        pytest.param(
            changed({"auth": block}, f"auth.{path}".rstrip("."), value)["auth"], path, id=f"{path}={value!r}"[:80]
        )
        for block, path, refused, allowed in CASES
        for value in (allowed if accepted else refused)
    ]


def without_nothing(tree: Any) -> Any:
    return {k: without_nothing(v) for k, v in tree.items() if v is not None} if isinstance(tree, dict) else tree


def configuration(auth: dict[str, Any]) -> dict[str, Any]:
    """The simplest deployment with this log-in."""
    image = {"image": {"repository": "registry.example.com/mlflow-ours"}} if "app" in auth else {}
    return {**DEV, **image, "auth": without_nothing(auth)}


@pytest.mark.parametrize(("auth", "path"), cases(accepted=False))
def test_wrong_value_is_refused_with_its_path(auth, path: str) -> None:
    lines = messages(configuration(auth))
    assert lines
    assert all(line.startswith(("auth", f"auth.{path}".rpartition(".")[0])) for line in lines), lines


@pytest.mark.parametrize(("auth", "path"), cases(accepted=True))
def test_nearest_value_is_accepted(auth, path: str) -> None:
    assert messages(configuration(auth)) == []


@pytest.mark.parametrize(
    "auth",
    [{"basic": {}}, {"ldap": LDAP}, {"oidc": OIDC}, {"app": {"name": "ours"}}],
    ids=lambda auth: next(iter(auth)),
)
def test_a_server_with_a_login_may_be_published(auth) -> None:
    (line,) = messages(changed(DEV, "service.type", "LoadBalancer"))
    assert "without authentication" in line
    (line,) = messages(changed(configuration(auth), "service.type", "LoadBalancer"))
    assert "without authentication" not in line and "without TLS" in line


@pytest.mark.parametrize(
    ("changes", "refresh", "session"),
    [
        ({}, "300s", "3600s"),
        ({"refreshSeconds": 0}, "0s", "3600s"),
        ({"sessionSeconds": 300}, "0s", "300s"),
        ({"refreshSeconds": 60, "sessionSeconds": 28_800}, "60s", "28800s"),
    ],
)
def test_sessions_are_never_those_of_the_proxys_defaults(changes: dict[str, int], refresh: str, session: str) -> None:
    server = deploy({**DEV, "auth": {"oidc": {**OIDC, **changes}}}).one("Deployment").pod["spec"]["containers"]
    (options,) = [container["args"] for container in server if container["name"] == "proxy"]
    assert {f"--cookie-refresh={refresh}", f"--cookie-expire={session}"} <= {*options}


def test_an_application_of_the_users_own_needs_their_image_and_for_jobs_an_account() -> None:
    auth = {"app": {"name": "ours"}}
    (line,) = messages({**DEV, "auth": auth})
    assert line.startswith("image.repository: ") and "the plugin, which auth.app needs" in line
    collected = {**configuration(auth), "garbageCollection": {}}
    assert any(line.startswith("auth.app.existingSecret: is required") for line in messages(collected))
    # It keeps its users elsewhere, and may have modules of its own.
    alone = with_changes(configuration(auth), {"database": {"none": {}}, "server": {"artifactsOnly": True}})
    assert messages(changed(alone, "server.env", {"PYTHONPATH": "/x"})) == []


def test_an_application_of_the_users_own_is_all_that_the_server_is_told() -> None:
    given = {"existingConfig": {"name": "settings"}, "existingSecret": {"name": "robot", "usernameKey": "name"}}
    auth = {"app": {"name": "ours", **given}}
    graph = deploy({**configuration(auth), "garbageCollection": {}})
    server = graph.one("Deployment").pod["spec"]
    assert "--app-name=ours" in server["containers"][0]["args"]
    assert "users" not in {container["name"] for container in server.get("initContainers") or []}
    found = {each["name"]: each for each in server["containers"][0]["env"]}
    assert found["MLFLOW_AUTH_CONFIG_PATH"]["value"].endswith("/basic_auth.ini")
    assert not [name for name in found if name.startswith(("PROXIED_", "MLFLOW_AUTH_ADMIN"))]
    (client,) = graph.one("CronJob").pod["spec"]["containers"]
    account = {each["name"]: each["valueFrom"] for each in client["env"] if each["name"].startswith("MLFLOW_TRACKING_") and "valueFrom" in each}  # fmt: skip
    assert account == {
        "MLFLOW_TRACKING_USERNAME": {"secretKeyRef": {"name": "robot", "key": "name"}},
        "MLFLOW_TRACKING_PASSWORD": {"secretKeyRef": {"name": "robot", "key": "password"}},
    }


def test_rules_about_other_blocks() -> None:
    basic, ldap = {"auth": {"basic": {}}}, {"auth": {"ldap": LDAP}}
    (line,) = messages({**DEV, **basic, "image": {"tag": "v9"}})
    assert line.startswith("image.tag") and "no log-in" in line
    for where in ("env", "secretEnv"):
        (line,) = messages(changed({**DEV, **ldap}, f"server.{where}", {"PYTHONPATH": "/x"}))
        assert line.startswith(f"server.{where}.PYTHONPATH")
    assert messages(changed({**DEV, **basic}, "server.env", {"PYTHONPATH": "/x"})) == []
    for variable in ("MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_BASIC_AUTH_FAIL_CLOSED"):
        assert messages(changed(DEV, "server.env", {variable: "x"}))
    assert messages(changed(DEV, "server.options", {"app-name": "basic-auth"}))
    lines = messages(with_changes({**DEV, **basic}, {"server.replicas": 2}))
    (line,) = [line for line in lines if "2 replicas cannot share a SQLite file" in line]
    assert line.startswith("server.replicas: ") and "use 1, or" in line
    scaled = with_changes({**DEV, **basic}, {"autoscaling": {"maxReplicas": 3}})
    assert any("3 replicas cannot share a SQLite file" in line for line in messages(scaled))
    alone = with_changes(DEV, {"database": {"none": {}}, "server": {"artifactsOnly": True}})
    assert messages(alone) == []
    for auth in (basic, ldap):
        (line,) = messages({**alone, **auth})
        assert line.startswith("auth: keeps users in the database") and "give it a database" in line


def test_users_in_the_same_database_are_counted_into_its_connections() -> None:
    tight = changed(PRODUCTION, "database.postgresql.connectionLimit", 60)
    assert messages(tight) == []
    (line,) = messages({**tight, "auth": {"basic": {}}})
    assert "= 90" in line
    assert messages({**tight, "auth": {"basic": {}, "database": OWN}}) == []


def test_the_file_says_what_was_chosen() -> None:
    auth = {
        "basic": {"authorizationFunction": "ours.login:check", "credentialCacheSeconds": 60, "credentialCacheSize": 5},
        "defaultPermission": "MANAGE",
        "grantDefaultWorkspaceAccess": True,
        "workspaceCacheSeconds": 7,
    }
    text = deploy({**DEV, "auth": auth}).named("mlflow-users").inputs["stringData"].value["basic_auth.ini"]
    assert text.splitlines() == [
        "[mlflow]",
        "default_permission = MANAGE",
        "database_uri = sqlite:////mlflow/database/users.db",
        "authorization_function = ours.login:check",
        "grant_default_workspace_access = true",
        "workspace_cache_ttl_seconds = 7",
        "auth_cache_ttl_seconds = 60",
        "auth_cache_max_size = 5",
    ]
