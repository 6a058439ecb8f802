"""A server behind a TLS proxy that follows its Ingress, first in the open, then with prefix, TLS in the pod, users, workspaces.

In either form clients come by the Ingress and from inside the cluster, and Prometheus by the address of the pod.
"""

import base64
import contextlib
import json
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support import certificates, client, configurations, definitions, prometheus, proxy, users
from tests.support.browser import open_browser
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts, unique_name
from tests.support.processes import PATIENCE, eventually

pytestmark = pytest.mark.core

HOST, PREFIX = "mlflow.example.com", "/team/mlflow"
ROOT, URI = f"https://{HOST}", f"https://{HOST}{PREFIX}"
MADE = certificates.make(HOST)
OPEN: dict[str, Any] = {
    "ingress": {"hosts": [{"host": HOST}], "tls": [{"secretName": "public"}]},
    "service": {"port": 443},
    "allowInsecure": True,
}
NODE_PORT = 30_000 + secrets.randbelow(2768)


def guarded_values(node: str) -> dict[str, Any]:
    """What the second form has more, with a port of the node at this address."""
    return {
        "server": {
            "staticPrefix": PREFIX,
            "tls": {"existingSecret": {"name": "pods", "caKey": "ca.crt"}},
            "workspaces": {},
            "allowedHosts": [f"{node}:{NODE_PORT}"],
        },
        "service": {
            "port": 443,
            "type": "NodePort",
            "nodePort": NODE_PORT,
            "annotations": {"example.com/a": "any text"},
        },
        "auth": {"basic": {}},
        "monitoring": {"prometheus": True, "serviceMonitor": {}, "dashboard": {}},
        "garbageCollection": {"schedule": "0 0 1 1 *", "olderThan": "0s", "allWorkspaces": True},
        "allowInsecure": False,
    }


@pytest.fixture(scope="module")
def node(kubectl: Kubectl) -> str:
    """Address of the node."""
    (found,) = kubectl.json("get", "nodes")["items"]
    return next(each["address"] for each in found["status"]["addresses"] if each["type"] == "InternalIP")


@pytest.fixture(scope="module")
def deployed(new_stack: Deploy, kubectl: Kubectl, node: str) -> Iterator[Deployed]:
    """The deployment in the open, watched from another namespace."""
    definitions.install(kubectl)
    namespace = unique_name()
    service = f"mlflow.{namespace}.svc.cluster.local"
    monitor = {"interval": "15s", "timeout": "5s", "labels": {"release": "prometheus"}}
    with kubectl.namespace() as elsewhere:
        monitoring = {"prometheus": True, "serviceMonitor": {**monitor, "namespace": elsewhere}}
        values = configurations.sqlite(namespace, **OPEN, monitoring=monitoring)
        with deploy(new_stack, kubectl, values, {}) as deployed:
            for name, made in (("public", MADE), ("pods", certificates.make(service, node))):
                texts = {"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": made.authority}
                kubectl.secret(namespace, name, texts)
            yield deployed


@contextlib.contextmanager
def _published(kubectl: Kubectl, namespace: str, folder: Path) -> Iterator[str]:
    """A proxy that follows the Ingress of now; this process finds the host there, and trusts its certificate."""
    (ingress,) = kubectl.items("ingresses", namespace)
    (folder / "ca.pem").write_text(MADE.authority)
    look_up = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch, proxy.serve(kubectl, ingress, folder) as running:
        patch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(folder / "ca.pem"))
        patch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
        patch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: look_up(running.address if host == HOST else host, *rest, **more),
        )
        yield running.address


@pytest.fixture(scope="module")
def in_the_open(deployed: Deployed, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the proxy in front of the first form."""
    with _published(kubectl, deployed.namespace, tmp_path_factory.mktemp("open")) as address:
        yield address


@pytest.fixture(scope="module")
def guarded(deployed: Deployed, kubectl: Kubectl, node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the proxy in front of the second form, which is protected; this process is the administrator."""
    deployed.reconfigure(**guarded_values(node), deletionProtection=True).up().succeeded()
    administrator = users.administrator(deployed, kubectl)
    with (
        _published(kubectl, deployed.namespace, tmp_path_factory.mktemp("guarded")) as address,
        client.login(*administrator),
    ):
        yield address


def test_in_the_open_clients_get_through_from_both_sides(
    deployed: Deployed, in_the_open: str, kubectl: Kubectl
) -> None:
    logged = client.log(ROOT, 50 * client.MIB)
    client.read_back(ROOT, logged)
    uri = deployed.stack.outputs()["trackingUri"]
    assert uri == f"http://mlflow.{deployed.namespace}.svc.cluster.local:443"
    program = f"import mlflow; print(mlflow.MlflowClient({uri!r}).create_experiment('from-inside'))"
    (pod,) = kubectl.pods(deployed.namespace)
    assert kubectl.exec(deployed.namespace, pod_name(pod), "python", "-c", program).strip().isdigit()
    assert MlflowClient(ROOT).get_experiment_by_name("from-inside") is not None


def test_another_host_or_origin_does_not(deployed: Deployed, in_the_open: str, kubectl: Kubectl) -> None:
    service = kubectl.json("get", "service", "mlflow", "--namespace", deployed.namespace)["spec"]
    base = f"http://{service['clusterIP']}:443/api/2.0/mlflow/experiments"

    def status(host: str, origin: str | None = None) -> int:
        headers = {"Host": host, **({"Origin": origin} if origin else {})}
        if origin is None:
            return requests.get(f"{base}/get?experiment_id=0", headers=headers, timeout=120).status_code
        body = {"name": unique_name()}
        return requests.post(f"{base}/create", json=body, headers=headers, timeout=120).status_code

    assert status(HOST) == status(f"{HOST}:443") == 200
    assert status("attacker.example") == status(f"{HOST}.attacker.example") == status(f"{HOST}:80") == 403
    assert status(HOST, f"https://{HOST}") == status("mlflow:443", "http://mlflow:443") == 200
    assert status(HOST, f"http://{HOST}") == status(HOST, "https://attacker.example") == 403


def test_prometheus_scrapes_what_a_monitor_of_another_namespace_says(
    deployed: Deployed, in_the_open: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    namespace = deployed.values["monitoring"]["serviceMonitor"]["namespace"]
    (monitor,) = kubectl.items("servicemonitors.monitoring.coreos.com", namespace, "--selector=release=prometheus")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("15s", "5s")
    with prometheus.serve([prometheus.scrape_job(monitor, kubectl, tmp_path, "1s")], tmp_path) as server:
        metrics = f'mlflow_http_request_total{{namespace="{deployed.namespace}",method="POST"}}'
        eventually(lambda: server.query(metrics), "the first metrics", 0.5)
        (up,) = server.query("up")
        assert (up["metric"]["namespace"], up["value"][1]) == (deployed.namespace, "1")


@pytest.mark.feature("srv-prefix", "srv-tls")
def test_guarded_a_client_who_logs_in_gets_through_the_proxy(
    deployed: Deployed, guarded: str, kubectl: Kubectl
) -> None:
    """Prefix and TLS in the probes, since the pod is ready, and in the Ingress; the other tests show jobs and metrics."""
    (pod,) = kubectl.pods(deployed.namespace)
    assert restarts([pod]) == 0
    probes = [pod["spec"]["containers"][0][f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
    assert probes == [{"path": f"{PREFIX}/health", "port": 5000, "scheme": "HTTPS"}] * 3
    client.read_back(URI, client.log(URI))
    search, body = f"{URI}/api/2.0/mlflow/experiments/search", {"max_results": 1}
    assert requests.post(search, json=body, timeout=120).status_code == 401
    assert requests.post(search, json=body, auth=("admin", "password1234"), timeout=120).status_code == 401
    # Streamed on a route without the prefix, which has a guard of its own.
    artifact = f"{URI}/api/2.0/mlflow-artifacts/artifacts/workspaces/default/0/a/artifacts/a.txt"
    assert requests.put(artifact, data=b"a", timeout=120).status_code == 401
    assert requests.get(artifact, timeout=120).status_code == 401
    assert requests.get(f"{ROOT}/health", timeout=120).status_code == 404


@pytest.mark.feature("net-service")
def test_a_client_gets_through_the_port_of_the_node(
    deployed: Deployed, guarded: str, kubectl: Kubectl, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = kubectl.json("get", "service", "mlflow", "--namespace", deployed.namespace)
    assert service["metadata"]["annotations"]["example.com/a"] == "any text"
    assert (service["spec"]["type"], service["spec"]["ports"][0]["port"]) == ("NodePort", 443)
    pods = kubectl.json("get", "secret", "pods", "--namespace", deployed.namespace)["data"]
    (tmp_path / "pods.pem").write_bytes(base64.b64decode(pods["ca.crt"]))
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "pods.pem"))
    uri = f"https://{node}:{NODE_PORT}{PREFIX}"
    client.read_back(uri, client.log(uri, 1024))


@pytest.mark.feature("srv-hosts")
def test_a_browser_logs_in_shows_the_pages_and_creates_an_experiment(
    deployed: Deployed, guarded: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    name = f"made-in-a-browser-{secrets.token_hex(2)}"
    administrator = users.administrator(deployed, kubectl)
    with open_browser(tmp_path, {HOST: guarded}, MADE.certificate) as browser:
        wait = WebDriverWait(browser, PATIENCE)
        search = f"{PREFIX}/ajax-api/2.0/mlflow/experiments/search?max_results=1"
        browser.get(f"{ROOT}{search}")
        assert "Default" not in browser.page_source
        # What a user types into the browser's own dialog.
        browser.get(f"https://{administrator.username}:{administrator.password}@{HOST}{search}")
        browser.get(f"{URI}/#/experiments?workspace=default")
        create = "[data-testid='create-experiment-button']"
        wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, create))[0].click()
        dialog = wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "[role='dialog']"))[0]
        dialog.find_elements(By.CSS_SELECTOR, "input")[0].send_keys(name)
        dialog.find_elements(By.XPATH, ".//button[normalize-space()='Create']")[0].click()
        wait.until(lambda page: not page.find_elements(By.CSS_SELECTOR, "[role='dialog']"))
        # It leads to the page of the new experiment, which asks the server for it.
        wait.until(lambda page: "/experiments/" in page.current_url and name in page.page_source)
        browser.get(f"{URI}/#/experiments?workspace=default")
        wait.until(lambda page: name in page.page_source)
        refused = [line["message"] for line in browser.get_log("browser") if " 403 " in line["message"]]
        assert refused == []
    found = MlflowClient(tracking_uri=URI).get_experiment_by_name(name)
    assert found is not None and found.lifecycle_stage == "active"


@pytest.mark.feature("metrics", "dash", "srv-prefix", "srv-tls")
def test_prometheus_logs_in_as_the_monitor_says_and_every_panel_has_data(
    deployed: Deployed, guarded: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    (monitor,) = kubectl.items("servicemonitors.monitoring.coreos.com", deployed.namespace)
    job = prometheus.scrape_job(monitor, kubectl, tmp_path, "2s")
    stranger = {**job, "job_name": "stranger"}
    del stranger["basic_auth"]
    jobs = [job, stranger, *prometheus.node_jobs(kubectl, tmp_path, "4s")]
    with prometheus.serve(jobs, tmp_path) as server:
        of = f'namespace="{deployed.namespace}",service="mlflow"'
        eventually(lambda: server.query(f"up{{{of}}} == 1"), "the first scrape", 0.5)
        outside = MlflowClient(tracking_uri=URI)
        (pod,) = kubectl.pods(deployed.namespace)
        (up,) = server.query(f'up{{{of},job!="stranger"}}')
        assert (up["metric"]["pod"], up["metric"]["container"], up["value"][1]) == (pod_name(pod), "mlflow", "1")
        config = kubectl.items("configmaps", deployed.namespace, "--selector=grafana_dashboard=1")
        (dashboard,) = [json.loads(text) for each in config for text in each["data"].values()]

        def without_data() -> list[tuple[str, str]]:
            """Queries of panels that show nothing, or no number."""
            found = []
            for title, expression in [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p["targets"]]:
                samples = server.query(expression.replace("$__rate_interval", "1m"))
                if not samples or any(sample["value"][1] == "NaN" for sample in samples):
                    found.append((title, expression))
            return found

        def all_have_data() -> bool:
            outside.search_experiments()
            with contextlib.suppress(Exception):
                outside.get_experiment("404")
            return without_data() == []

        # The kubelet measures every ten seconds or so, and rates need two samples.
        eventually(all_have_data, "data in all panels", 0.5)
        assert len(dashboard["panels"]) > 5
        errors = [each["lastError"] for each in server.targets() if each["labels"]["job"] == "stranger"]
        assert len(errors) == 1 and "401" in errors[0]


@pytest.mark.feature("gc", "srv-prefix", "srv-tls")
def test_what_was_deleted_vanishes_from_all_workspaces_and_the_rest_stays(
    deployed: Deployed, guarded: str, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The Job is an in-cluster client too: it logs in at the Service, and verifies its certificate."""
    outside = MlflowClient(tracking_uri=URI)
    administrator = users.administrator(deployed, kubectl)
    url = f"{URI}/api/3.0/mlflow/workspaces"
    requests.post(url, json={"name": "team-a"}, auth=administrator, timeout=120).raise_for_status()

    def log(experiment: str) -> str:
        """A new run with an artifact."""
        run = outside.create_run(experiment).info.run_id
        outside.log_text(run, run, "note.txt")
        return run

    def read(run: str, folder: Path) -> bool:
        assert outside.get_run(run).info.lifecycle_stage == "active"
        return Path(outside.download_artifacts(run, "note.txt", str(folder))).read_text() == run

    one, other = (outside.create_experiment(unique_name()) for _ in range(2))
    kept, deleted, within = log(one), log(one), log(other)
    outside.delete_run(deleted)
    outside.delete_experiment(other)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_WORKSPACE", "team-a")
        third = outside.create_experiment(unique_name())
        theirs, their_own = log(third), log(third)
        outside.delete_run(theirs)
    (pod,) = kubectl.pods(deployed.namespace)

    def files() -> str:
        return kubectl.exec(deployed.namespace, pod_name(pod), "find", "/mlflow/artifacts", "-type", "f")

    before = files()
    assert all(run in before for run in (kept, deleted, within, theirs, their_own))
    (cron,) = kubectl.items("cronjobs", deployed.namespace)
    assert (cron["spec"]["schedule"], cron["spec"]["concurrencyPolicy"]) == ("0 0 1 1 *", "Forbid")
    name = cron["metadata"]["name"]
    kubectl.text("create", "job", f"--from=cronjob/{name}", "now", "--namespace", deployed.namespace)

    def ended() -> bool:
        conditions = kubectl.json("get", "job", "now", "--namespace", deployed.namespace)["status"].get("conditions")
        return any(each["type"] in ("Complete", "Failed") for each in conditions or [])

    eventually(ended, "the end of the garbage collection", 0.5)
    words, after = kubectl.text("logs", "job/now", "--namespace", deployed.namespace), files()
    for run in (deleted, within, theirs):
        assert f"Run with ID {run} has been permanently deleted." in words, words
        assert run not in after
    assert f"Experiment with ID {other} has been permanently deleted." in words
    for run in (deleted, within):
        with pytest.raises(Exception, match="not found"):
            outside.get_run(run)
    assert read(kept, tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_WORKSPACE", "team-a")
        assert read(their_own, tmp_path)
        with pytest.raises(Exception, match="not found"):
            outside.get_run(theirs)
    (collector,) = kubectl.pods(deployed.namespace, "garbage-collection")
    assert restarts([collector]) == 0


@pytest.mark.feature("keep")
def test_data_survives_a_destroy_and_is_there_again(
    deployed: Deployed, guarded: str, kubectl: Kubectl, node: str, tmp_path: Path
) -> None:
    """Volumes and the database in them; that without protection nothing is left is checked at the end of the module.

    Databases and buckets of a cloud are kept likewise in tests/engine/test_aws.py.
    """
    logged = client.log(URI, 1024)
    deployed.stack.destroy().failed()
    assert kubectl.pods(deployed.namespace) == []
    claims = kubectl.items("persistentvolumeclaims", deployed.namespace)
    assert len(claims) == 2 and {claim["status"]["phase"] for claim in claims} == {"Bound"}
    deployed.reconfigure(**guarded_values(node)).up().succeeded()
    with _published(kubectl, deployed.namespace, tmp_path), client.login(*users.administrator(deployed, kubectl)):
        client.read_back(URI, logged)
