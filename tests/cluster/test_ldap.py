"""Users and groups of a real directory, through a real proxy in front of a real server."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support import certificates, client, configurations, slapd, users
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts, unique_name

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def directory(kubectl: Kubectl) -> Iterator[slapd.Directory]:
    """The directory."""
    with slapd.serve(kubectl.host_address) as directory:
        yield directory


@pytest.fixture(scope="module")
def deployed(new_stack: Deploy, kubectl: Kubectl, directory: slapd.Directory) -> Iterator[Deployed]:
    """Users bind themselves, over TLS, and are of a group by their distinguished name; with a prefix and workspaces."""
    ldap = {
        "uri": directory.tls_uri,
        "tls": {"caCertificate": directory.ca_certificate},
        "userDn": f"uid=%s,{slapd.PEOPLE}",
        "userGroup": slapd.USERS_GROUP,
        "adminGroup": slapd.ADMINS_GROUP,
        "cacheSeconds": 0,
    }
    server = {"staticPrefix": "/team", "workspaces": {}}
    auth = {"ldap": ldap, "defaultPermission": "USE", "grantDefaultWorkspaceAccess": True}
    values = configurations.sqlite(unique_name(), auth=auth, server=server, pod=configurations.OPENSHIFT)
    with deploy(new_stack, kubectl, values, {}) as deployed:
        yield deployed


@pytest.fixture
def url(deployed: Deployed, kubectl: Kubectl, tmp_path: Path) -> Iterator[str]:
    """The server."""
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        yield f"{url}/team"


def _people(directory: slapd.Directory) -> dict[str, users.Login]:
    return {name: users.Login(name, password) for name, password in directory.passwords.items()}


def test_groups_decide_who_gets_in_and_who_is_an_administrator(
    deployed: Deployed, kubectl: Kubectl, directory: slapd.Directory, url: str
) -> None:
    assert restarts(kubectl.pods(deployed.namespace)) == 0
    ada, grace, mallory = (_people(directory)[name] for name in ("ada", "grace", "mallory"))
    local = users.administrator(deployed, kubectl)
    assert requests.get(f"{url}/health", timeout=120).status_code == 200
    expected = {
        ada: 200,
        grace: 200,
        local: 200,
        mallory: 401,
        users.Login("ada", grace.password): 401,
        users.Login("ada", ""): 401,
        users.Login(local.username, ada.password): 401,
        users.Login("ada,ou=people,dc=example,dc=com", ada.password): 401,
        users.Login("*", ada.password): 401,
    }
    assert {login: users.status(url, login) for login in expected} == expected
    assert users.status(url, None) == 401
    assert {login.username: users.is_admin(url, login) for login in (ada, grace, local)} == {
        "ada": False, "grace": True, local.username: True,
    }  # fmt: skip
    # The directory does not mind how a name is spelled; it is the same user.
    assert users.current(url, users.Login("ADA", ada.password))["username"] == "ada"


def test_users_have_permissions_of_their_own(directory: slapd.Directory, url: str) -> None:
    ada, grace = (_people(directory)[name] for name in ("ada", "grace"))
    with client.login(*grace):
        logged = client.log(url)
        client.read_back(url, logged)
    with client.login(*ada):
        client.read_back(url, logged)
        own = client.log(url, 1024)
        client.read_back(url, own)
    assert users.log_parameter(url, ada, logged.run_id) == 403
    experiment = users.experiment(url, grace, logged.experiment)
    assert users.grant(url, ada, "ada", experiment, "EDIT") == 403
    assert users.grant(url, grace, "ada", experiment, "EDIT") == 200
    assert users.log_parameter(url, ada, logged.run_id) == 200


def test_a_workspace_is_closed_to_whom_nobody_let_in(directory: slapd.Directory, url: str) -> None:
    people = _people(directory)
    headers = {"X-MLFLOW-WORKSPACE": "secret"}

    def call(who: str, method: str, path: str, **body: str) -> requests.Response:
        login = users.encoded(people[who])
        return requests.request(method, f"{url}/api/{path}", json=body, auth=login, headers=headers, timeout=120)

    made = requests.post(
        f"{url}/api/3.0/mlflow/workspaces", json={"name": "secret"}, auth=users.encoded(people["grace"]), timeout=120
    )
    assert made.status_code == 201, made.text
    assert call("ada", "POST", "2.0/mlflow/experiments/create", name="plans").status_code == 403
    created = call("grace", "POST", "2.0/mlflow/experiments/create", name="plans")
    assert created.status_code == 200, created.text
    read = f"2.0/mlflow/experiments/get?experiment_id={created.json()['experiment_id']}"
    assert {name: call(name, "GET", read).status_code for name in ("ada", "grace")} == {"ada": 403, "grace": 200}


def test_what_a_client_says_of_itself_is_not_believed(
    deployed: Deployed, kubectl: Kubectl, directory: slapd.Directory, url: str
) -> None:
    ada = _people(directory)["ada"]
    forged = {
        name: value
        for header in ("X-Forwarded-User", "X-Forwarded-Groups", "X-Forwarded-Email", "Remote-User", "Mlflowadmin")
        for name in (header, header.replace("-", "_"))
        for value in ("yes", "grace", "mlflow-admins")
    }
    answer = requests.get(f"{url}/api/2.0/mlflow/users/current", auth=users.encoded(ada), headers=forged, timeout=120)
    assert answer.json()["user"]["username"] == "ada" and answer.json()["user"]["is_admin"] is False
    assert requests.get(f"{url}/api/2.0/mlflow/users/current", headers=forged, timeout=120).status_code == 401
    # Around the proxy there is nothing: the server listens inside its pod only, and asks for the proxy's password there.
    (pod,) = kubectl.pods(deployed.namespace)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{pod['status']['podIP']}:5000/team/health", timeout=5)
    program = """
import urllib.request, urllib.error
request = urllib.request.Request("http://127.0.0.1:5000/team/api/2.0/mlflow/users/current", headers={"Authorization": "Basic Z3JhY2U6"})
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
    assert kubectl.exec(deployed.namespace, pod_name(pod), "python", "-c", program).strip() == "401"
    # The proxy is there on either family.
    program = "import urllib.request; print(urllib.request.urlopen('http://[::1]:8080/team/health').status)"
    assert kubectl.exec(deployed.namespace, pod_name(pod), "python", "-c", program).strip() == "200"
    log = kubectl.text("logs", "--namespace", deployed.namespace, pod_name(pod), "--all-containers")
    assert not [password for password in directory.passwords.values() if password in log]


def test_a_large_upload_goes_through_and_host_checks_hold(directory: slapd.Directory, url: str, tmp_path: Path) -> None:
    grace = _people(directory)["grace"]
    path = f"{url}/api/2.0/mlflow-artifacts/artifacts/large/{secrets.token_hex(4)}.bin"
    large = tmp_path / "large.bin"
    large.write_bytes(secrets.token_bytes(client.MIB) * 50)
    with large.open("rb") as body:
        answer = requests.put(path, data=body, auth=users.encoded(grace), timeout=120)
    assert answer.status_code == 200, answer.text
    assert requests.get(path, auth=users.encoded(grace), timeout=120).content == large.read_bytes()
    search = f"{url}/api/2.0/mlflow/experiments/get?experiment_id=0"
    for headers, status in (({"Host": "attacker.example"}, 403), ({}, 200)):
        assert requests.get(search, auth=users.encoded(grace), headers=headers, timeout=120).status_code == status
    origin = {"Origin": "https://attacker.example"}
    made = requests.post(
        f"{url}/api/2.0/mlflow/experiments/create",
        json={"name": "x"},
        auth=users.encoded(grace),
        headers=origin,
        timeout=120,
    )
    assert made.status_code == 403


@pytest.mark.feature("auth-ldap")
def test_a_searching_account_start_tls_and_groups_by_name(
    deployed: Deployed, kubectl: Kubectl, directory: slapd.Directory, tmp_path: Path
) -> None:
    """The other ways to ask a directory, and a certificate that is not its own; the tests above have shown the first."""
    kubectl.secret(deployed.namespace, "reader", {"word": directory.reader_password})
    kubectl.secret(deployed.namespace, "authority", {"ca.crt": directory.ca_certificate})
    ldap = {
        "uri": directory.plain_uri,
        "tls": {"existingSecret": {"name": "authority"}},
        "search": {
            "base": slapd.BASE,
            "filter": "(objectClass=inetOrgPerson)",
            "bindDn": directory.reader,
            "existingSecret": {"name": "reader", "passwordKey": "word"},
        },
        "memberAttribute": "memberUid",
        "memberIs": "username",
        "userGroup": slapd.POSIX_USERS,
        "adminGroup": slapd.POSIX_ADMINS,
    }
    ada, grace, mallory = (_people(directory)[name] for name in ("ada", "grace", "mallory"))
    deployed.reconfigure(auth={**deployed.values["auth"], "ldap": ldap}).up().succeeded()
    kubectl.settled(deployed.namespace, 1)
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as base:
        url = f"{base}/team"
        found = {login.username: users.status(url, login) for login in (ada, grace, mallory)}
        assert found == {"ada": 200, "grace": 200, "mallory": 401}
        assert users.status(url, users.Login("ada", "wrong")) == 401
        assert users.is_admin(url, grace) and not users.is_admin(url, ada)

    foreign = {**ldap, "tls": {"caCertificate": certificates.make(directory.host).authority}}
    deployed.reconfigure(auth={"ldap": foreign}).up().succeeded()
    kubectl.settled(deployed.namespace, 1)
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as base:
        url = f"{base}/team"
        assert {users.status(url, login) for login in (ada, grace, mallory)} == {500}
        assert users.status(url, users.administrator(deployed, kubectl)) == 200
