"""Users and groups of an identity provider, through a real proxy in front of a real server."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.support import certificates, client, configurations, issuer, mariadb, users
from tests.support.deployed import Deployed
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts

pytestmark = pytest.mark.extended

PUBLIC = "https://mlflow.example.com"
PREFIX = "/team"
AUDIENCE = "nightly-jobs"


@pytest.fixture(scope="module")
def provider(kubectl: Kubectl) -> Iterator[issuer.Issuer]:
    """The provider."""
    with issuer.serve(kubectl.host_address, f"{PUBLIC}{PREFIX}/oauth2/callback") as provider:
        yield provider


@pytest.fixture(scope="module")
def trusted(provider: issuer.Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Certificate and key of the server; the authorities of both are those that clients here trust."""
    made = certificates.make("127.0.0.1")
    file = tmp_path_factory.mktemp("authorities") / "ca.pem"
    file.write_text(made.authority + provider.ca_certificate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(file))
        yield {"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": made.authority}


@pytest.fixture(scope="module")
def database(mariadb_server: mariadb.Server) -> mariadb.Database:
    """The database."""
    return mariadb_server.database()


@pytest.fixture(scope="module")
def deployed(
    new_stack: Deploy,
    kubectl: Kubectl,
    provider: issuer.Issuer,
    trusted: dict[str, str],
    database: mariadb.Database,
) -> Iterator[Deployed]:
    """Under a prefix, with TLS in the pod, which the proxy ends, and with users beside the experiments in MariaDB."""
    with kubectl.namespace("enforce") as namespace:
        kubectl.secret(namespace, "server-tls", trusted)
        kubectl.secret(namespace, "client", {"secret": provider.client_secret, "ca.pem": provider.ca_certificate})
        oidc = {
            "issuerUrl": provider.url,
            "redirectUrl": provider.redirect_url,
            "clientId": provider.client_id,
            "existingSecret": {"name": "client", "clientSecretKey": "secret"},
            "tls": {"existingSecret": {"name": "client", "key": "ca.pem"}},
            "allowedGroups": ["data-science"],
            "adminGroups": ["platform"],
            "extraAudiences": [AUDIENCE],
        }
        values = configurations.sqlite(
            namespace,
            createNamespace=False,
            database={"mysql": configurations.connection(database), "connectTimeoutSeconds": 20},
            auth={"oidc": oidc, "defaultPermission": "NO_PERMISSIONS"},
            server={
                "staticPrefix": PREFIX,
                "tls": {"existingSecret": {"name": "server-tls", "caKey": "ca.crt"}},
            },
        )
        secrets = {"database.mysql.password": database.password}
        with new_stack() as stack:
            yield Deployed(stack, values, secrets, stack.configure(values, secrets).up().succeeded())


@pytest.fixture
def url(deployed: Deployed, kubectl: Kubectl, tmp_path: Path) -> Iterator[str]:
    """The server."""
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        yield f"{url.replace('http:', 'https:')}{PREFIX}"


def _browser(provider: issuer.Issuer, url: str, name: str) -> tuple[requests.Session, requests.Response]:
    """A browser in which somebody has just opened the page and logged in, and where that has led."""
    browser = requests.Session()
    sent = browser.get(f"{url}/", timeout=120)
    assert sent.url.startswith(f"{provider.url}/authorize?") and sent.status_code == 200
    form = {"name": name, "password": provider.passwords[name]}
    back = browser.post(sent.url, form, allow_redirects=False, timeout=120).headers["Location"]
    assert back.startswith(f"{provider.redirect_url}?")
    # The public name of the server leads here.
    return browser, browser.get(f"{url}/oauth2/callback?{urlsplit(back).query}", timeout=120)


def _status(url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    body = {"max_results": 1}
    return requests.post(
        f"{url}/api/2.0/mlflow/experiments/search", json=body, headers=headers, timeout=120
    ).status_code


def test_users_are_kept_beside_the_experiments_from_the_start(
    deployed: Deployed, kubectl: Kubectl, database: mariadb.Database
) -> None:
    (migration,) = kubectl.pods(deployed.namespace, "migration")
    assert restarts([migration, *kubectl.pods(deployed.namespace)]) == 0
    log = kubectl.text("logs", "--namespace", deployed.namespace, pod_name(migration))
    assert "auth: done (initialise)" in log and "created the administrator 'mlflow-admin'" in log
    assert ("mlflow-admin", 1) in database.query("SELECT username, is_admin FROM users")


def test_browsers_log_in_at_the_provider(provider: issuer.Issuer, url: str) -> None:
    assert requests.get(f"{url}/health", timeout=120).status_code == 200
    for name, admin in (("ada", False), ("grace", True)):
        browser, page = _browser(provider, url, name)
        assert page.status_code == 200 and page.url == f"{url}/" and "MLflow" in page.text
        assert all(cookie.secure for cookie in browser.cookies)
        current = browser.get(f"{url}/ajax-api/2.0/mlflow/users/current", timeout=120).json()["user"]
        assert (current["username"], current["is_admin"]) == (f"{name}@example.com", admin)
    _, page = _browser(provider, url, "mallory")
    assert page.status_code == 403
    # Programs are told so; they cannot follow to a page.
    answer = requests.get(f"{url}/api/2.0/mlflow/users/current", timeout=120)
    assert answer.status_code == 401 and not answer.history


@pytest.mark.feature("auth-oidc")
def test_programs_come_with_tokens_and_have_permissions_of_their_own(
    deployed: Deployed, kubectl: Kubectl, provider: issuer.Issuer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the row: the test above has shown browsers."""
    tokens = {name: provider.token(name, AUDIENCE if name == "grace" else None) for name in issuer.USERS}
    assert {name: _status(url, token) for name, token in tokens.items()} == {"ada": 200, "grace": 200, "mallory": 403}
    stranger = issuer.Issuer(provider.url, "", "")
    for token in (
        provider.token("ada", lasts=-60),
        provider.token("ada", "another-client"),
        provider.token("ada", iss="https://id.example.com"),
        provider.token("ada", email_verified=False),
        stranger.token("ada"),
        tokens["ada"][:-8] + "AAAAAAAA",
    ):
        assert _status(url, token) == 401, token

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", tokens["ada"])
    logged = client.log(url, client.MIB)
    client.read_back(url, logged)
    # An administrator may read what is somebody else's; another user may not, since nobody gave it to them.
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", tokens["grace"])
    client.read_back(url, logged)
    other = provider.token("ada", sub="id-of-eve", email="eve@example.com")
    read = f"{url}/api/2.0/mlflow/runs/get?run_id={logged.run_id}"
    assert requests.get(read, headers={"Authorization": f"Bearer {other}"}, timeout=120).status_code == 403

    # Jobs in the cluster come with the password of an administrator whom the provider does not know.
    local = users.administrator(deployed, kubectl)
    assert users.status(url, local) == 200 and users.is_admin(url, local)
    assert users.status(url, users.Login(local.username, "password")) == 401


def test_what_a_client_says_of_itself_is_not_believed(
    deployed: Deployed, kubectl: Kubectl, provider: issuer.Issuer, url: str
) -> None:
    headers = {f"X-Forwarded-{name}": "grace@example.com" for name in ("User", "Email", "Preferred-Username")}
    headers |= {"X-Forwarded-Groups": "platform", "Authorization": f"Bearer {provider.token('ada')}"}
    current = requests.get(f"{url}/api/2.0/mlflow/users/current", headers=headers, timeout=120).json()["user"]
    assert (current["username"], current["is_admin"]) == ("ada@example.com", False)
    del headers["Authorization"]
    assert requests.get(f"{url}/api/2.0/mlflow/users/current", headers=headers, timeout=120).status_code == 401
    # Around the proxy there is nothing: the server listens inside its pod only, and asks for the proxy's password there.
    (pod,) = kubectl.pods(deployed.namespace)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{pod['status']['podIP']}:5000{PREFIX}/health", timeout=5)
    program = f"""
import urllib.request, urllib.error
headers = {{"X-Forwarded-Email": "grace@example.com", "X-Forwarded-Groups": "platform", "Authorization": "Basic Z3JhY2U6"}}
request = urllib.request.Request("http://127.0.0.1:5000{PREFIX}/api/2.0/mlflow/users/current", headers=headers)
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
    assert kubectl.exec(deployed.namespace, pod_name(pod), "python", "-c", program).strip() == "401"
    # The proxy is there on either family.
    program = f"""
import ssl, urllib.request
print(urllib.request.urlopen("https://[::1]:8080{PREFIX}/health", context=ssl._create_unverified_context()).status)
"""
    assert kubectl.exec(deployed.namespace, pod_name(pod), "python", "-c", program).strip() == "200"
    server = kubectl.text("get", "pod", "--namespace", deployed.namespace, pod_name(pod), "--output=yaml")
    assert provider.client_secret not in server
