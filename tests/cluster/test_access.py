"""A server behind a TLS proxy that follows its Ingress, under a prefix: client, browser, Prometheus, garbage collection."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support import certificates, client, configurations, definitions, prometheus, proxy
from tests.support.browser import open_browser
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, unique_name
from tests.support.processes import eventually

SCREENSHOT = "SCREENSHOT"
"""Environment variable with the file to keep a picture of the page in, such as docs/images/experiments.png."""
HOST, PREFIX = "mlflow.example.com", "/team/mlflow"
MADE = certificates.make(HOST)
MORE: dict[str, Any] = {
    "server": {"staticPrefix": PREFIX},
    "ingress": {"hosts": [{"host": HOST}], "tls": [{"secretName": "certificate"}]},
    "monitoring": {"prometheus": True, "serviceMonitor": {}, "dashboard": {}},
    "garbageCollection": {"schedule": "0 0 1 1 *", "olderThan": "0s"},
    "allowInsecure": True,
}


@pytest.fixture(scope="module")
def published(new_stack: Deploy, kubectl: Kubectl) -> Iterator[Deployed]:
    """The deployment."""
    definitions.install(kubectl)
    with deploy(new_stack, kubectl, configurations.sqlite(unique_name(), **MORE), {}) as deployed:
        kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/tls",
                "metadata": {"name": "certificate", "namespace": deployed.namespace},
                "stringData": {"tls.crt": MADE.certificate, "tls.key": MADE.key},
            }
        )
        yield deployed


@pytest.fixture(scope="module")
def front(published: Deployed, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[proxy.Proxy]:
    """The proxy; this process finds the host there, and trusts its certificate."""
    (ingress,) = kubectl.items("ingresses", published.namespace)
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "ca.pem").write_text(MADE.authority)
    look_up = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch, proxy.serve(kubectl, ingress, folder) as running:
        patch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(folder / "ca.pem"))
        patch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: look_up(running.address if host == HOST else host, *rest, **more),
        )
        yield running


URI = f"https://{HOST}{PREFIX}"


def test_a_client_from_outside_gets_through_with_large_files(front: proxy.Proxy) -> None:
    client.read_back(URI, client.log(URI, 50 * client.MIB))


def test_another_host_or_origin_does_not(front: proxy.Proxy, published: Deployed, kubectl: Kubectl) -> None:
    service = kubectl.json("get", "service", "mlflow", "--namespace", published.namespace)["spec"]
    base = f"http://{service['clusterIP']}{PREFIX}/api/2.0/mlflow/experiments"

    def status(host: str, origin: str | None = None) -> int:
        headers = {"Host": host, **({"Origin": origin} if origin else {})}
        if origin is None:
            return requests.get(f"{base}/get?experiment_id=0", headers=headers, timeout=30).status_code
        body = {"name": unique_name()}
        return requests.post(f"{base}/create", json=body, headers=headers, timeout=30).status_code

    assert status(HOST) == status(f"{HOST}:443") == 200
    assert status("attacker.example") == status(f"{HOST}.attacker.example") == status(f"{HOST}:80") == 403
    assert status(HOST, f"https://{HOST}") == status("mlflow", "http://mlflow") == 200
    assert status(HOST, f"http://{HOST}") == status(HOST, "https://attacker.example") == 403


@pytest.mark.feature("srv-hosts")
def test_a_browser_shows_the_pages_and_creates_an_experiment(front: proxy.Proxy, tmp_path: Path) -> None:
    name = f"made-in-a-browser-{unique_name()}"
    with open_browser(tmp_path, {HOST: front.address}, MADE.certificate) as browser:
        wait = WebDriverWait(browser, 40)
        browser.get(f"{URI}/#/experiments")
        wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "[data-testid='create-experiment-button']"))[
            0
        ].click()
        dialog = wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "[role='dialog']"))[0]
        dialog.find_elements(By.CSS_SELECTOR, "input")[0].send_keys(name)
        dialog.find_elements(By.XPATH, ".//button[normalize-space()='Create']")[0].click()
        wait.until(lambda page: not page.find_elements(By.CSS_SELECTOR, "[role='dialog']"))
        # It leads to the page of the new experiment, which asks the server for it.
        wait.until(lambda page: "/#/experiments/" in page.current_url and name in page.page_source)
        browser.get(f"{URI}/#/experiments")
        wait.until(lambda page: name in page.page_source)
        if SCREENSHOT in os.environ:
            browser.save_screenshot(os.environ[SCREENSHOT])
        refused = [line["message"] for line in browser.get_log("browser") if " 403 " in line["message"]]
        assert refused == []
    found = MlflowClient(tracking_uri=URI).get_experiment_by_name(name)
    assert found is not None and found.lifecycle_stage == "active"


@pytest.mark.feature("dash")
def test_prometheus_scrapes_as_the_monitor_says_and_every_panel_has_data(
    published: Deployed, front: proxy.Proxy, kubectl: Kubectl, tmp_path: Path
) -> None:
    (monitor,) = kubectl.items("servicemonitors.monitoring.coreos.com", published.namespace)
    jobs = [prometheus.scrape_job(monitor, kubectl, "2s"), *prometheus.node_jobs(kubectl, tmp_path, "4s")]
    with prometheus.serve(jobs, tmp_path) as server:
        of = f'namespace="{published.namespace}",service="mlflow"'
        eventually(lambda: server.query(f"up{{{of}}} == 1"), 30, "the first scrape", 0.5)
        outside = MlflowClient(tracking_uri=URI)
        (pod,) = kubectl.pods(published.namespace)
        (up,) = server.query(f"up{{{of}}}")
        assert (up["metric"]["pod"], up["metric"]["container"], up["value"][1]) == (pod_name(pod), "mlflow", "1")
        config = kubectl.items("configmaps", published.namespace, "--selector=grafana_dashboard=1")
        (dashboard,) = [json.loads(text) for each in config for text in each["data"].values()]

        def without_data() -> list[tuple[str, str]]:
            """Queries of panels that show nothing, or no number."""
            found = []
            for title, expression in [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p["targets"]]:
                samples = server.query(expression.replace("$__rate_interval", "1m"))
                if not samples or any(sample["value"][1] == "NaN" for sample in samples):
                    found.append((title, expression))
            return found

        until = time.monotonic() + 60  # the kubelet measures every ten seconds or so, and rates need two samples
        while (empty := without_data()) and time.monotonic() < until:
            outside.search_experiments()
            with contextlib.suppress(Exception):
                outside.get_experiment("404")
            time.sleep(0.5)
        assert empty == []
        assert len(dashboard["panels"]) > 5


def test_what_was_deleted_vanishes_and_the_rest_stays(
    published: Deployed, front: proxy.Proxy, kubectl: Kubectl
) -> None:
    outside = MlflowClient(tracking_uri=URI)
    kept, deleted = client.log(URI, 1024), client.log(URI, 1024)
    outside.delete_run(deleted.run_id)
    (pod,) = kubectl.pods(published.namespace)

    def files() -> str:
        return kubectl.exec(published.namespace, pod_name(pod), "find", "/mlflow/artifacts", "-type", "f")

    assert deleted.run_id in files() and kept.run_id in files()
    (cron,) = kubectl.items("cronjobs", published.namespace)
    name = cron["metadata"]["name"]
    kubectl.text("create", "job", f"--from=cronjob/{name}", "now", "--namespace", published.namespace)

    def ended() -> bool:
        conditions = kubectl.json("get", "job", "now", "--namespace", published.namespace)["status"].get("conditions")
        return any(each["type"] in ("Complete", "Failed") for each in conditions or [])

    eventually(ended, 120, "the end of the garbage collection", 1)
    log = kubectl.text("logs", "job/now", "--namespace", published.namespace)
    assert f"Run with ID {deleted.run_id} has been permanently deleted." in log, log
    assert deleted.run_id not in files()
    with pytest.raises(Exception, match="not found"):
        outside.get_run(deleted.run_id)
    client.read_back(URI, kept)
    (collector,) = kubectl.pods(published.namespace, "garbage-collection")
    assert collector["metadata"]["labels"]["app.kubernetes.io/component"] == "garbage-collection"


@pytest.mark.feature("keep")
def test_data_survives_a_destroy_and_is_there_again(
    published: Deployed, front: proxy.Proxy, kubectl: Kubectl, tmp_path: Path
) -> None:
    logged = client.log(URI, 1024)
    stack = published.reconfigure(deletionProtection=True)
    stack.up().succeeded()
    stack.destroy().failed()
    assert kubectl.pods(published.namespace) == []
    claims = kubectl.items("persistentvolumeclaims", published.namespace)
    assert len(claims) == 2 and {claim["status"]["phase"] for claim in claims} == {"Bound"}
    stack.up().succeeded()
    with kubectl.forward(published.namespace, "mlflow", tmp_path) as url:
        client.read_back(f"{url}{PREFIX}", logged)
    published.reconfigure().up().succeeded()
