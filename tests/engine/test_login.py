"""The proxies that log users in, as processes of this machine: real ones, configured as they are rendered."""

import base64
import contextlib
import json
import re
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.configurations import DEV, with_changes
from tests.support import github, issuer, processes, rendered, slapd, threads, users
from toolchain.bare import debian, golang

pytestmark = pytest.mark.extended

LOCAL_PASSWORD = "generated-mlflow-admin-password".ljust(32, "x")
"""Password of the administrator whom directory and provider do not know, as the rendering of tests generates it."""


@dataclass(frozen=True)
class Place:
    """Where a deployment is on this machine.

    Attributes:
        folder: Its files.
        port: Where users reach it.
    """

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """As browsers spell it."""
        return f"http://localhost:{self.port}"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place for a deployment."""
    return Place(tmp_path, processes.free_port())


@pytest.fixture
def provider(place: Place) -> Iterator[issuer.Issuer]:
    """An identity provider."""
    with issuer.serve("127.0.0.1", f"{place.url}/oauth2/callback") as provider:
        yield provider


@pytest.fixture
def oidc(place: Place, provider: issuer.Issuer) -> dict[str, Any]:
    """Settings for that provider. Its cookie is sent without TLS, which would take nothing from what is tested here."""
    return {
        "issuerUrl": provider.url,
        "redirectUrl": provider.redirect_url,
        "clientId": provider.client_id,
        "clientSecret": provider.client_secret,
        "tls": {"caCertificate": provider.ca_certificate},
        "allowedGroups": ["data-science"],
        "adminGroups": ["platform"],
        "extraArgs": {"cookie-secure": False},
    }


def pod(place: Place, auth: Mapping[str, Any], port: int) -> rendered.Pod:
    """The pod of a server, which listens on this port."""
    configuration = with_changes(DEV, {"auth": auth, "server.port": port, "allowInsecure": True})
    return rendered.pod(configuration, "mlflow-server", place.folder, ports={8080: place.port})


@contextlib.contextmanager
def oauth2_proxy(place: Place, made: rendered.Pod) -> Iterator[None]:
    """Run the proxy of `auth.oidc`."""
    (proxy,) = made.beside
    program = golang.build(["oauth2-proxy"])["oauth2-proxy"]
    with processes.running(
        [program, *proxy.command],
        place.folder / "proxy.log",
        env=proxy.environment,
        ready=lambda: processes.listens("127.0.0.1", place.port),
    ):
        yield


@contextlib.contextmanager
def httpd(place: Place, made: rendered.Pod) -> Iterator[None]:
    """Run the proxy of `auth.ldap`."""
    (proxy,) = made.beside
    root = debian.unpack(["apache2-bin", "libaprutil1-ldap"])
    (place.folder / "modules").symlink_to(root / "usr/lib/apache2/modules")
    file = Path(proxy.command[-1])
    text = file.read_text()
    for there in ("/tmp/httpd.pid", "DefaultRuntimeDir /tmp", "/usr/local/apache2"):
        text = text.replace(there, re.sub("/(tmp|usr/local/apache2)", str(place.folder), there))
    file.write_text(text)
    with processes.running(
        [root / "usr/sbin/apache2", *proxy.command[1:]],
        place.folder / "proxy.log",
        env={**debian.environment(root), **proxy.environment},
        ready=lambda: processes.listens("127.0.0.1", place.port),
    ):
        yield


@contextlib.contextmanager
def mlflow(place: Place, made: rendered.Pod, port: int) -> Iterator[None]:
    """Run the server itself."""
    for first in made.first:
        ended = first.finish()
        assert ended.returncode == 0, ended.stdout + ended.stderr
    with processes.running(
        made.main.command,
        place.folder / "server.log",
        env=made.main.environment,
        ready=lambda: processes.listens("127.0.0.1", port),
    ):
        yield


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """Run a server in MLflow's place that answers with the headers of a request; returns its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(dict(self.headers.items())).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with threads.serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


def browser(place: Place, provider: issuer.Issuer, name: str) -> requests.Session:
    """A browser in which somebody has logged in."""
    found = requests.Session()
    sent = found.get(f"{place.url}/", timeout=120)
    assert sent.url.startswith(f"{provider.url}/authorize?"), sent.text
    form = {"name": name, "password": provider.passwords[name]}
    back = found.post(sent.url, form, allow_redirects=False, timeout=120).headers["Location"]
    page = found.get(f"{place.url}/oauth2/callback?{urlsplit(back).query}", timeout=120)
    assert page.status_code == 200, page.text
    return found


def rights(place: Place, of: requests.Session) -> bool | int:
    """Whether the server takes somebody for an administrator, or the status with which they are refused."""
    answer = of.get(f"{place.url}/ajax-api/2.0/mlflow/users/current", timeout=120)
    return answer.json()["user"]["is_admin"] if answer.status_code == 200 else answer.status_code


def test_groups_of_a_browser_are_those_of_the_last_refresh(
    place: Place, provider: issuer.Issuer, oidc: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(provider.ca_certificate, place, monkeypatch)

    def becomes(of: requests.Session, expected: bool | int) -> None:
        processes.eventually(lambda: rights(place, of) == expected, f"rights become {expected}")

    port = processes.free_port()
    made = pod(place, {"oidc": {**oidc, "refreshSeconds": 1}}, port)
    with mlflow(place, made, port), oauth2_proxy(place, made):
        ada, grace = (browser(place, provider, name) for name in ("ada", "grace"))
        assert [rights(place, each) for each in (ada, grace)] == [False, True]
        provider.groups["grace"] = ["data-science"]
        provider.groups["ada"] = ["data-science", "platform"]
        becomes(grace, False)
        becomes(ada, True)
        # Out of every group that may log in, and a session that the provider has ended.
        provider.groups["grace"] = ["sales"]
        becomes(grace, 403)
        assert provider.refresh_tokens is not None
        provider.refresh_tokens.clear()
        becomes(ada, 401)

        # Without a refresh token, a session is as old as its token at most.
        provider.refresh_tokens, provider.lasts = None, 3
        ada = browser(place, provider, "ada")
        assert rights(place, ada) is True
        becomes(ada, 401)


def trust(authority: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let browsers here trust an authority."""
    file = place.folder / "authority.pem"
    file.write_text(authority)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))


def test_an_oauth_provider_without_issuer_says_who_a_user_is_and_in_which_teams(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with github.serve("127.0.0.1") as provider, echo() as port:
        trust(provider.ca_certificate, place, monkeypatch)
        settings = {
            "provider": "github",
            "endpoints": {
                "loginUrl": f"{provider.url}/login/oauth/authorize",
                "redeemUrl": f"{provider.url}/login/oauth/access_token",
                "validateUrl": f"{provider.url}/api/v3",
            },
            "redirectUrl": f"{place.url}/oauth2/callback",
            "clientId": provider.client_id,
            "clientSecret": provider.client_secret,
            "tls": {"caCertificate": provider.ca_certificate},
            "user": "subject",
            "allowedGroups": ["acme:data-science"],
            "adminGroups": ["acme:platform"],
            "extraArgs": {"cookie-secure": False},
        }
        made = pod(place, {"oidc": settings}, port)
        with oauth2_proxy(place, made):
            found = {}
            for name in github.TEAMS:
                provider.user = name
                answer = requests.Session().get(f"{place.url}/", timeout=120)
                if answer.status_code == 200:
                    headers = answer.json()
                    user, secret = base64.b64decode(headers["Authorization"].split()[1]).decode().split(":")
                    assert secret == made.main.environment["PROXIED_USER_SECRET"]
                    found[name] = (user, headers["X-Forwarded-Groups"], headers["X-Forwarded-Email"])
                else:
                    found[name] = answer.status_code
            assert found == {
                "ada": ("ada", "acme,acme:data-science", "ada@example.com"),
                "grace": ("grace", "acme,acme:platform", "grace@example.com"),
                "mallory": 403,
            }


def test_sessions_in_redis_are_locked_while_they_are_refreshed_and_an_issuer_needs_no_discovery(
    place: Place, provider: issuer.Issuer, oidc: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(provider.ca_certificate, place, monkeypatch)
    provider.discovery = False
    redis = processes.free_port()
    settings = {
        **oidc,
        "endpoints": {
            "loginUrl": f"{provider.url}/authorize",
            "redeemUrl": f"{provider.url}/token",
            "jwksUrl": f"{provider.url}/keys",
        },
        "redis": {"url": f"redis://:the%2Fword@127.0.0.1:{redis}/0"},
        "refreshSeconds": 1,
    }
    command = [
        debian.unpack(["redis-server"]) / "usr/bin/redis-server",
        "--port",
        str(redis),
        "--requirepass",
        "the/word",
    ]
    server = processes.running(
        [*command, "--save", "", "--bind", "127.0.0.1"],
        place.folder / "redis.log",
        env=debian.environment(debian.unpack(["redis-server"])),
        ready=lambda: processes.listens("127.0.0.1", redis),
    )
    with echo() as port, server:
        made = pod(place, {"oidc": settings}, port)
        with oauth2_proxy(place, made):
            ada = browser(place, provider, "ada")
            assert all(len(str(cookie.value)) < 300 for cookie in ada.cookies)

            def page(_: int) -> int:
                return requests.get(f"{place.url}/ajax-api/x", cookies=ada.cookies, timeout=120).status_code

            # The provider takes each refresh token once, and these requests come all at once.
            with ThreadPoolExecutor(8) as pool:
                while provider.refreshed < 3:
                    assert {*pool.map(page, range(8))} == {200}
            with socket.create_connection(("127.0.0.1", redis)) as connection:
                connection.sendall(b"AUTH the/word\r\nFLUSHALL\r\n")
                assert connection.recv(100).startswith(b"+OK")
            processes.eventually(lambda: page(0) == 401, "the session is gone")


@pytest.fixture
def directory() -> Iterator[slapd.Directory]:
    """A directory."""
    with slapd.serve("127.0.0.1") as directory:
        yield directory


def role(place: Place, made: rendered.Pod, name: str, password: str) -> str | int:
    """As what a user of the directory reaches the server, or the status with which they are refused."""
    login = users.encoded(users.Login(name, password))
    answer = requests.get(f"{place.url}/", auth=login, timeout=120)
    if answer.status_code != 200:
        return answer.status_code
    user, secret = base64.b64decode(answer.json()["Authorization"].removeprefix("Basic ")).decode().split(":")
    assert user == name
    known = made.main.environment
    return {known["PROXIED_USER_SECRET"]: "user", known.get("PROXIED_ADMIN_SECRET"): "administrator"}[secret]


def test_what_a_directory_says_is_believed_for_as_long_as_it_is_cached(
    place: Place, directory: slapd.Directory
) -> None:
    ldap = {
        "uri": directory.tls_uri,
        "tls": {"caCertificate": directory.ca_certificate},
        "userDn": f"uid=%s,{slapd.PEOPLE}",
        "userGroup": slapd.SPECIAL_GROUP,
        "adminGroup": slapd.ADMINS_GROUP,
        "cacheSeconds": 2,
    }
    ada, grace = f"uid=ada,{slapd.PEOPLE}", f"uid=grace,{slapd.PEOPLE}"
    with echo() as port:
        made = pod(place, {"ldap": ldap}, port)
        with httpd(place, made):
            passwords = dict(directory.passwords)

            def becomes(name: str, expected: str | int) -> None:
                what = f"{name} becomes {expected}"
                processes.eventually(lambda: role(place, made, name, passwords[name]) == expected, what)

            assert {name: role(place, made, name, password) for name, password in passwords.items()} == {
                "ada": "user", "grace": "administrator", "mallory": 401,
            }  # fmt: skip
            directory.modify(slapd.SPECIAL_GROUP, f"add: member\nmember: {grace}")
            directory.modify(slapd.ADMINS_GROUP, f"replace: member\nmember: {ada}")
            becomes("grace", "user")
            becomes("ada", "administrator")
            directory.modify(ada, "replace: userPassword\nuserPassword: another")
            becomes("ada", 401)
            assert role(place, made, "ada", "another") == "administrator"
            directory.modify(slapd.SPECIAL_GROUP, f"delete: member\nmember: {grace}")
            becomes("grace", 401)


@pytest.mark.parametrize("searching", ["an account", "each user"])
def test_groups_are_those_of_the_users_entry_and_an_administrators_group_is_not_needed(
    place: Place, directory: slapd.Directory, searching: str
) -> None:
    reader = {"base": slapd.BASE, "bindDn": directory.reader, "bindPassword": directory.reader_password}
    ldap = {
        "uri": directory.plain_uri,
        "tls": {"caCertificate": directory.ca_certificate},
        **({"search": reader} if searching == "an account" else {"userDn": f"uid=%s,{slapd.PEOPLE}"}),
        "groupAttribute": "memberOf",
        "userGroup": slapd.SPECIAL_GROUP,
    }
    # What is there from the start has no memberOf yet.
    directory.modify(slapd.SPECIAL_GROUP, f"replace: member\nmember: uid=grace,{slapd.PEOPLE}")
    with echo() as port:
        made = pod(place, {"ldap": ldap}, port)
        with httpd(place, made):
            assert {name: role(place, made, name, password) for name, password in directory.passwords.items()} == {
                "ada": 401, "grace": "user", "mallory": 401,
            }  # fmt: skip
            assert role(place, made, "mlflow-admin", LOCAL_PASSWORD) == "administrator"


APPLICATION = """
from mlflow.server.fastapi_app import app


async def ours(scope, receive, send):
    if scope["type"] != "http" or scope["path"] == "/health" or (b"x-ours", b"yes") in scope["headers"]:
        return await app(scope, receive, send)
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def create():
    return ours
"""


def test_an_application_of_the_users_own_decides_who_gets_in(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    (plugin / "ours-1.dist-info").mkdir(parents=True)
    (plugin / "ours-1.dist-info" / "entry_points.txt").write_text("[mlflow.app]\nours = ours_login:create\n")
    (plugin / "ours-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1\n")
    (plugin / "ours_login.py").write_text(APPLICATION)
    port = processes.free_port()
    configuration = with_changes(
        DEV,
        {
            "auth": {"app": {"name": "ours"}},
            "server.port": port,
            "server.env": {"PYTHONPATH": str(plugin)},
            "image.repository": "registry.example.com/mlflow-ours",
        },
    )
    made = rendered.pod(configuration, "mlflow-server", tmp_path)
    with mlflow(Place(tmp_path, port), made, port):
        search = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get?experiment_id=0"
        assert requests.get(f"http://127.0.0.1:{port}/health", timeout=120).status_code == 200
        assert requests.get(search, timeout=120).status_code == 401
        assert requests.get(search, headers={"X-Ours": "yes"}, timeout=120).status_code == 200
