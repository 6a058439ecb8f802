"""One server with nearly everything that `server` offers, asked by real clients that verify its certificate."""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import canaries, certificates, client, configurations
from tests.support.deployed import Deployed
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name

pytestmark = pytest.mark.extended

PREFIX = "/team/mlflow"
INGRESS = "mlflow.example.com"
VARIABLES = ("PLAIN", "HIDDEN", "FROM_SECRET", "FROM_MAP", "NODE", "MEMORY", "P_all", "whole")


@pytest.fixture(scope="module")
def authority() -> certificates.Certificates:
    """A certificate for the end of a forwarded port."""
    return certificates.make("127.0.0.1")


@pytest.fixture(scope="module")
def server(new_stack: Deploy, kubectl: Kubectl, authority: certificates.Certificates) -> Iterator[Deployed]:
    """The deployment, in a namespace with what it refers to."""
    with kubectl.namespace("enforce") as namespace:
        texts = {"tls.crt": authority.certificate, "tls.key": authority.key, "ca.crt": authority.authority}
        for name, values in {"server-tls": texts, "variables": {"key": "s3", "all": "a"}}.items():
            data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
            metadata = {"name": name, "namespace": namespace}
            kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
        metadata = {"name": "variables", "namespace": namespace}
        kubectl.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "m", "whole": "w"}}
        )
        values = configurations.sqlite(
            namespace,
            createNamespace=False,
            allowInsecure=True,
            service={"port": 443},
            ingress={"hosts": [{"host": INGRESS}], "tls": [{"secretName": "public-tls"}]},
            server={
                "staticPrefix": PREFIX,
                "tls": {"existingSecret": {"name": "server-tls", "caKey": "ca.crt"}},
                "workspaces": {},
                "logLevel": "DEBUG",
                "allowedHosts": ["own.example.com"],
                "corsAllowedOrigins": ["https://notebooks.example.com"],
                "options": {"x-frame-options": "DENY", "secrets-cache-ttl": 30},
                "uvicorn": {"no-server-header": True, "header": "X-Team: vision one", "limit-concurrency": 650},
                "env": {"PLAIN": "p"},
                "valueFrom": {
                    "FROM_SECRET": {"secret": {"name": "variables", "key": "key"}},
                    "FROM_MAP": {"configMap": {"name": "variables", "key": "key"}},
                    "NODE": {"field": "spec.nodeName"},
                    "MEMORY": {"resource": "limits.memory"},
                },
                "envFrom": [{"secret": "variables", "prefix": "P_"}, {"configMap": "variables"}],
            },
            names={"service": "tracking"},
        )
        with new_stack() as stack:
            secrets = {"server.secretEnv.HIDDEN": canaries.token()}
            yield Deployed(stack, values, secrets, stack.configure(values, secrets).up().succeeded())


@pytest.fixture
def uri(
    server: Deployed,
    kubectl: Kubectl,
    authority: certificates.Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """Tracking URI for this machine, whose MLflow client trusts the authority."""
    (tmp_path / "ca.pem").write_text(authority.authority)
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with kubectl.forward(server.namespace, "tracking", tmp_path, 443) as url:
        yield url.replace("http://", "https://") + PREFIX


def test_a_client_that_verifies_reads_back_what_it_logged_under_the_prefix(
    uri: str, server: Deployed, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client.read_back(uri, client.log(uri))
    assert server.stack.outputs()["trackingUri"] == (f"https://tracking.{server.namespace}.svc.cluster.local{PREFIX}")
    ca = str(tmp_path / "ca.pem")
    assert requests.get(f"{uri}/health", verify=ca, timeout=120).text == "OK"
    # The pages and all that they load are below the prefix; there is nothing beside it.
    page = requests.get(f"{uri}/", verify=ca, timeout=120)
    assert page.status_code == 200 and "<!doctype html>" in page.text.lower()
    assert requests.get(uri.removesuffix(PREFIX) + "/health", verify=ca, timeout=120).status_code == 404
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{uri}/health", timeout=120)
    address = uri.removeprefix("https://").split("/")[0]
    with pytest.raises((http.client.HTTPException, OSError, ssl.SSLError)):
        plain = http.client.HTTPConnection(address, timeout=10)
        plain.request("GET", f"{PREFIX}/health")
        plain.getresponse()
    (pod,) = kubectl.pods(server.namespace)
    probes = [pod["spec"]["containers"][0][f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
    assert probes == [{"path": f"{PREFIX}/health", "port": 5000, "scheme": "HTTPS"}] * 3
    (ingress,) = kubectl.items("ingresses", server.namespace)
    assert ingress["spec"]["rules"][0]["http"]["paths"][0]["path"] == PREFIX


@pytest.mark.feature("srv-workspaces")
def test_workspaces_keep_experiments_apart(uri: str, tmp_path: Path) -> None:
    ca = str(tmp_path / "ca.pem")

    def call(path: str, workspace: str | None = None, **body: Any) -> requests.Response:
        headers = {} if workspace is None else {"X-MLFLOW-WORKSPACE": workspace}
        return requests.post(f"{uri}/api/2.0/mlflow/{path}", json=body, headers=headers, verify=ca, timeout=120)

    created = requests.post(f"{uri}/api/3.0/mlflow/workspaces", json={"name": "team-a"}, verify=ca, timeout=120)
    assert created.ok, created.text
    made = call("experiments/create", "team-a", name="only-here")
    assert made.ok, made.text

    def names(workspace: str) -> set[str]:
        found = call("experiments/search", workspace, max_results=100)
        assert found.ok, found.text
        return {experiment["name"] for experiment in found.json().get("experiments", [])}

    assert "only-here" in names("team-a")
    assert "only-here" not in names("default")
    assert "Default" in names("default")
    assert not call("experiments/search", "nowhere", max_results=1).ok


@pytest.mark.feature("srv-hosts")
def test_computed_and_own_hosts_and_origins_are_accepted_and_no_others(
    uri: str, server: Deployed, kubectl: Kubectl, tmp_path: Path
) -> None:
    ca, (pod,) = str(tmp_path / "ca.pem"), kubectl.pods(server.namespace)
    service = f"tracking.{server.namespace}.svc.cluster.local"

    def status(host: str | None = None, origin: str | None = None) -> int:
        headers = {key: value for key, value in (("Host", host), ("Origin", origin)) if value}
        url = f"{uri}/api/2.0/mlflow/experiments/search"
        return requests.post(url, json={"max_results": 1}, headers=headers, verify=ca, timeout=120).status_code

    for host in (
        "tracking",
        service,
        f"{service}:443",
        INGRESS,
        "own.example.com",
        f"{pod['status']['podIP']}:5000",
    ):
        assert status(host) == 200, host
    for host in ("attacker.example", f"x.{INGRESS}", "10.1.2.3", "mlflow"):
        assert status(host) == 403, host
    for origin in (f"https://{service}", f"https://{INGRESS}", "https://notebooks.example.com", "http://localhost:1"):
        assert status(origin=origin) == 200, origin
    for origin in ("https://attacker.example", f"http://{INGRESS}", f"https://{INGRESS}.attacker.example"):
        assert status(origin=origin) == 403, origin


@pytest.mark.feature("srv-ipv6")
def test_the_server_answers_on_ipv6_and_accepts_its_address_in_brackets(server: Deployed, kubectl: Kubectl) -> None:
    (pod,) = kubectl.pods(server.namespace)
    program = f"""
import json, ssl, urllib.error, urllib.request
def status(host):
    url = "https://[::1]:5000{PREFIX}/api/2.0/mlflow/experiments/search?max_results=1"
    request = urllib.request.Request(url, headers={{"Host": host}})
    try:
        return urllib.request.urlopen(request, context=ssl._create_unverified_context()).status
    except urllib.error.HTTPError as error:
        return error.code
print(json.dumps([status(host) for host in ("[::1]:5000", "[fd00:1::3]:5000", "attacker.example:5000")]))
"""
    assert json.loads(kubectl.exec(server.namespace, pod_name(pod), "python", "-c", program)) == [200, 200, 403]


@pytest.mark.feature("srv-options")
def test_options_and_variables_reach_the_server(uri: str, server: Deployed, kubectl: Kubectl, tmp_path: Path) -> None:
    answer = requests.get(f"{uri}/", verify=str(tmp_path / "ca.pem"), timeout=120)
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "server" not in answer.headers and answer.headers["X-Team"] == "vision one"
    (pod,) = kubectl.pods(server.namespace)
    program = f"import json, os; print(json.dumps({{name: os.environ.get(name) for name in {VARIABLES}}}))"
    found = json.loads(kubectl.exec(server.namespace, pod_name(pod), "python", "-c", program))
    assert found == {
        "PLAIN": "p",
        "HIDDEN": server.secrets["server.secretEnv.HIDDEN"],
        "FROM_SECRET": "s3",
        "FROM_MAP": "m",
        "NODE": pod["spec"]["nodeName"],
        "MEMORY": str(2 * 1024**3),
        "P_all": "a",
        "whole": "w",
    }
    program = "import os, glob; print([open(p).read().split('\\0') for p in glob.glob('/proc/[0-9]*/cmdline')])"
    processes = kubectl.exec(server.namespace, pod_name(pod), "python", "-c", program)
    assert (
        "--limit-concurrency=650" in processes
        and "--timeout-keep-alive=3620" in processes
        and "--secrets-cache-ttl=30" in processes
    )
    assert "--log-level=debug" in processes
