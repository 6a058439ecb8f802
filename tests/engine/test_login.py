"""The proxies that log users in, as processes of this machine: real ones, configured as they are rendered."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.configurations import DEV, with_changes
from tests.support import issuer, processes, rendered
from toolchain.bare import golang

pytestmark = pytest.mark.extended


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


@contextlib.contextmanager
def served(place: Place, auth: Mapping[str, Any]) -> Iterator[None]:
    """Run a server with its proxy."""
    port = processes.free_port()
    configuration = with_changes(DEV, {"auth": auth, "server.port": port, "allowInsecure": True})
    pod = rendered.pod(configuration, "mlflow-server", place.folder, ports={8080: place.port})
    for first in pod.first:
        ended = first.finish()
        assert ended.returncode == 0, ended.stdout + ended.stderr
    (proxy,) = pod.beside
    program = golang.build(["oauth2-proxy"])["oauth2-proxy"]
    with (
        processes.running(
            pod.main.command,
            place.folder / "server.log",
            env=pod.main.environment,
            ready=lambda: processes.listens("127.0.0.1", port),
        ),
        processes.running(
            [program, *proxy.command],
            place.folder / "proxy.log",
            env=proxy.environment,
            ready=lambda: processes.listens("127.0.0.1", place.port),
        ),
    ):
        yield


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
    place: Place, provider: issuer.Issuer, oidc: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(provider.ca_certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))

    def becomes(of: requests.Session, expected: bool | int) -> None:
        processes.eventually(lambda: rights(place, of) == expected, f"rights become {expected}")

    with served(place, {"oidc": {**oidc, "refreshSeconds": 1}}):
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
