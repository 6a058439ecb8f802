"""A real Prometheus on this machine that scrapes pods as a ServiceMonitor of the operator says."""

import base64
import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.support import processes
from tests.support.kubernetes import Kubectl
from toolchain.bare import debian


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `promtool`; its exit code is for the caller to look at."""
    root = debian.unpack(["prometheus"])
    command = [str(root / "usr/bin/promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=debian.environment(root))


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples that an expression gives now."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30)
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        return answer.json()["data"]["result"]

    def targets(self) -> list[dict[str, Any]]:
        """What is scraped, with the last error of each."""
        return requests.get(f"{self.url}/api/v1/targets", timeout=30).json()["data"]["activeTargets"]


@contextlib.contextmanager
def serve(jobs: list[dict[str, Any]], folder: Path) -> Iterator[Prometheus]:
    """Run a server with these scrape jobs.

    Args:
        jobs: Entries of `scrape_configs`.
        folder: An empty folder for its configuration and data.
    """
    root, port = debian.unpack(["prometheus"]), processes.free_port()
    file = folder / "prometheus.yaml"
    file.write_text(json.dumps({"scrape_configs": jobs}))
    checked = promtool("check", "config", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    command = [
        str(root / "usr/bin/prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.console.templates={folder}",
        f"--web.console.libraries={folder}",
    ]
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        return requests.get(f"{url}/-/ready", timeout=2).status_code == 200

    with processes.running(command, folder / "log", ready=ready):
        yield Prometheus(url)


def scrape_job(monitor: Mapping[str, Any], kubectl: Kubectl, folder: Path, interval: str) -> dict[str, Any]:
    """A scrape job as the operator and Prometheus make it of a ServiceMonitor with one endpoint.

    How pods are found (Services by labels, their endpoints by the name of the port), asked (scheme, path, credentials) and
    named is what the monitor says. They are listed once, since Debian's Prometheus cannot ask the Kubernetes API itself.

    Args:
        monitor: The ServiceMonitor as the cluster has it.
        kubectl: The cluster.
        folder: Takes the certificate authority.
        interval: How often to ask, instead of what the monitor says.
    """
    (endpoint,) = monitor["spec"]["endpoints"]
    selector = ",".join(f"{key}={value}" for key, value in monitor["spec"]["selector"]["matchLabels"].items())
    targets = [
        target
        for namespace in monitor["spec"]["namespaceSelector"]["matchNames"]
        for service in kubectl.items("services", namespace, "--selector", selector)
        for target in _targets(kubectl, namespace, service["metadata"]["name"], endpoint["port"])
    ]
    assert targets, f"the monitor finds nothing: {monitor['spec']}"
    job: dict[str, Any] = {
        "job_name": monitor["metadata"]["name"],
        "scrape_interval": interval,
        "scrape_timeout": interval,
        "metrics_path": endpoint["path"],
        "scheme": endpoint.get("scheme", "http"),
        "static_configs": targets,
    }
    # As the operator does, from Secrets of the monitor's own namespace.
    own = monitor["metadata"]["namespace"]
    if "basicAuth" in endpoint:
        job["basic_auth"] = {
            what: _secret(kubectl, own, reference["name"], reference["key"])
            for what, reference in endpoint["basicAuth"].items()
        }
    if "tlsConfig" in endpoint:
        trust = dict(endpoint["tlsConfig"])
        job["tls_config"] = {"server_name": trust.pop("serverName")}
        if "ca" in trust:
            reference = trust.pop("ca")["secret"]
            job["tls_config"]["ca_file"] = str(folder / "pods.pem")
            (folder / "pods.pem").write_text(_secret(kubectl, own, reference["name"], reference["key"]))
        assert not trust, f"not understood: {trust}"
    return job


def _targets(kubectl: Kubectl, namespace: str, service: str, port: str) -> list[dict[str, Any]]:
    """The pods behind a port of a Service, with the labels that the operator gives their metrics."""
    slices = kubectl.items("endpointslices", namespace, f"--selector=kubernetes.io/service-name={service}")
    found = []
    for each in slices:
        for number in [p["port"] for p in each["ports"] if p.get("name") == port]:
            for end in each["endpoints"] or []:
                pod = kubectl.json("get", "pod", end["targetRef"]["name"], "--namespace", namespace)
                (container,) = [
                    c["name"]
                    for c in pod["spec"]["containers"]
                    for p in c.get("ports", [])
                    if p["containerPort"] == number
                ]
                names = {"service": service, "pod": end["targetRef"]["name"], "container": container, "endpoint": port}
                labels = {"namespace": namespace, **names}
                found.append({"targets": [f"{end['addresses'][0]}:{number}"], "labels": labels})
    return found


def node_jobs(kubectl: Kubectl, folder: Path, interval: str) -> list[dict[str, Any]]:
    """Jobs for what the kubelet measures of containers and volumes, read through the API server."""
    config = json.loads(kubectl.text("config", "view", "--raw", "--minify", "--output=json"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    files = {}
    for name, data in (
        ("ca", cluster["certificate-authority-data"]),
        ("cert", user["client-certificate-data"]),
        ("key", user["client-key-data"]),
    ):
        files[f"{name}_file"] = str(folder / f"{name}.pem")
        (folder / f"{name}.pem").write_bytes(base64.b64decode(data))
    (node,) = [each["metadata"]["name"] for each in kubectl.json("get", "nodes")["items"]]
    return [
        {
            "job_name": f"kubelet{path}",
            "scheme": "https",
            "scrape_interval": interval,
            "metrics_path": f"/api/v1/nodes/{node}/proxy{path}",
            "tls_config": files,
            "static_configs": [{"targets": [cluster["server"].removeprefix("https://")]}],
        }
        for path in ("/metrics", "/metrics/cadvisor")
    ]


def _secret(kubectl: Kubectl, namespace: str, name: str, key: str) -> str:
    found = kubectl.json("get", "secret", name, "--namespace", namespace)["data"][key]
    return base64.b64decode(found).decode()
