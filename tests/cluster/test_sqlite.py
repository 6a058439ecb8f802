"""The development deployment, `Pulumi.dev.yaml`, with a real server and client."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.configurations import own_values
from tests.support import canaries, client, configurations, earlier
from tests.support.commands import programs
from tests.support.deployed import Deployed, deploy, own_keys
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts, unique_name
from tests.support.processes import eventually
from toolchain.environments import stack_file
from toolchain.paths import ROOT

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def dev(new_stack: Deploy, kubectl: Kubectl) -> Iterator[Deployed]:
    """The deployment."""
    secrets = {"server.secretEnv.EXTRA": canaries.token(), **own_keys()}
    values = {**own_values(stack_file("dev")), "namespace": unique_name(), "server": dict(configurations.SERVER)}
    with deploy(new_stack, kubectl, values, secrets) as deployed:
        earlier.record(deployed.stack, "dev")
        yield deployed


@pytest.fixture
def uri(dev: Deployed, kubectl: Kubectl, tmp_path: Path) -> Iterator[str]:
    """A tracking URI for this machine, as `make up` gives one."""
    with kubectl.forward(dev.namespace, "mlflow", tmp_path) as url:
        yield url


@pytest.mark.feature("profiles")
def test_client_reads_back_what_it_logged_through_a_forwarded_port(uri: str) -> None:
    client.read_back(uri, client.log(uri))


def test_the_program_for_notebooks_prints_what_it_has_logged(uri: str, tmp_path: Path) -> None:
    (program,) = programs(ROOT / "docs" / "how-to" / "notebooks.md")
    variables = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "# What was tried\n" in done.stdout and "{'loss': 0.5, 'accuracy': 0.9}" in done.stdout


def test_data_survives_the_pod(dev: Deployed, kubectl: Kubectl, tmp_path: Path) -> None:
    with kubectl.forward(dev.namespace, "mlflow", tmp_path) as url:
        logged = client.log(url)
    (old,) = kubectl.pods(dev.namespace)
    kubectl.text("delete", "pod", "--namespace", dev.namespace, pod_name(old))
    kubectl.rolled_out(dev.namespace)
    (new,) = kubectl.pods(dev.namespace)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    with kubectl.forward(dev.namespace, "mlflow", tmp_path) as url:
        client.read_back(url, logged)


def test_every_name_of_the_service_reaches_the_server_from_a_pod(dev: Deployed, kubectl: Kubectl) -> None:
    names = [
        f"mlflow{suffix}" for suffix in ("", *(f".{dev.namespace}{end}" for end in ("", ".svc", ".svc.cluster.local")))
    ]
    uris = [f"http://{name}{port}" for name in names for port in ("", ":80")]
    assert dev.stack.outputs()["trackingUri"] in uris
    program = """
import sys
from mlflow import MlflowClient
for uri in sys.argv[1:]:
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    print(uri, client.get_experiment("0").name, flush=True)
"""
    # Not in the server's own pod, from which a network may not lead back to itself; but of the same kind.
    spec = kubectl.pods(dev.namespace)[0]["spec"]
    container = {
        **{key: spec["containers"][0][key] for key in ("image", "securityContext")},
        "name": "client",
        "command": ["python", "-c", program, *uris],
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "MLFLOW_DISABLE_TELEMETRY", "value": "true"}],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "client", "namespace": dev.namespace},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "securityContext": spec["securityContext"],
                "containers": [container],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        }
    )

    def ended() -> bool:
        pod = kubectl.json("get", "pod", "client", "--namespace", dev.namespace)
        return pod["status"]["phase"] in ("Succeeded", "Failed")

    try:
        eventually(ended, "the client in the pod", 1)
        output = kubectl.text("logs", "client", "--namespace", dev.namespace)
    finally:
        kubectl.run("delete", "pod", "client", "--namespace", dev.namespace, "--wait=false")
    assert [line for line in output.splitlines() if line.startswith("http")] == [f"{uri} Default" for uri in uris], (
        output
    )


def test_an_unknown_host_is_refused_but_healthy(uri: str) -> None:
    for host in ("attacker.example", "mlflow.attacker.example", "10.attacker.example", "localhost.attacker.example"):
        answer = requests.get(
            f"{uri}/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"Host": host}, timeout=120
        )
        assert answer.status_code == 403, (host, answer.text)
        assert requests.get(f"{uri}/health", headers={"Host": host}, timeout=120).status_code == 200


def test_a_page_of_another_origin_may_not_write(uri: str) -> None:
    answer = requests.post(
        f"{uri}/api/2.0/mlflow/experiments/create",
        json={"name": "from-elsewhere"},
        headers={"Origin": "https://attacker.example"},
        timeout=120,
    )
    assert answer.status_code == 403, answer.text


def test_claims_are_bound(dev: Deployed, kubectl: Kubectl) -> None:
    claims = kubectl.items("persistentvolumeclaims", dev.namespace)
    assert {claim["status"]["phase"] for claim in claims} == {"Bound"}
    assert len(claims) == 2


def test_secrets_are_in_no_log_and_no_process_arguments(dev: Deployed, kubectl: Kubectl, uri: str) -> None:
    client.log(uri, 1024)
    (pod,) = kubectl.pods(dev.namespace)
    program = "import glob; print([open(path).read() for path in glob.glob('/proc/[0-9]*/cmdline')])"
    canaries.assert_absent(
        dev.secrets,
        {
            "the log": kubectl.text("logs", "--namespace", dev.namespace, pod_name(pod), "--all-containers"),
            "the process arguments": kubectl.exec(dev.namespace, pod_name(pod), "python", "-c", program),
            "the events": kubectl.text("get", "events", "--namespace", dev.namespace, "--output=json"),
        },
    )


def test_the_server_runs_with_the_rights_of_nobody(dev: Deployed, kubectl: Kubectl) -> None:
    (pod,) = kubectl.pods(dev.namespace)
    program = """
import json, os
def refused(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return error.strerror
print(json.dumps({
    "user": os.getuid(),
    "root": refused("/probe"),
    "token": os.path.exists("/var/run/secrets/kubernetes.io"),
    "links": [name for name in os.environ if name.startswith("MLFLOW_SERVICE_")],
    "tmp": refused("/tmp/probe"),
}))
"""
    found = json.loads(kubectl.exec(dev.namespace, pod_name(pod), "python", "-c", program))
    assert found == {"user": 1000, "root": "Read-only file system", "token": False, "links": [], "tmp": None}


def test_again_changes_nothing(dev: Deployed, kubectl: Kubectl) -> None:
    before = [(pod_name(pod), restarts([pod])) for pod in kubectl.pods(dev.namespace)]
    dev.stack.up("--expect-no-changes").succeeded()
    assert [(pod_name(pod), restarts([pod])) for pod in kubectl.pods(dev.namespace)] == before


@pytest.mark.extended
@pytest.mark.feature("db-sqlite")
def test_an_existing_claim_keeps_the_database_from_one_stack_to_the_next(
    new_stack: Deploy, kubectl: Kubectl, tmp_path: Path
) -> None:
    with kubectl.namespace("enforce") as namespace:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        metadata = {"name": "kept", "namespace": namespace}
        kubectl.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
        values = configurations.sqlite(
            namespace,
            createNamespace=False,
            database={"sqlite": {"volume": {"existingClaim": "kept", "subPath": "mlflow/database"}}},
            artifacts={"volume": {"existingClaim": "kept", "subPath": "mlflow/artifacts"}},
        )
        with new_stack() as stack:
            stack.configure({**values, "server": {"replicas": 2}})
            assert "2 replicas cannot share a SQLite file" in stack.preview().failed().output
            stack.configure(values).up().succeeded()
            kubectl.settled(namespace, 1)
            strategy = kubectl.items("deployments", namespace)[0]["spec"]["strategy"]
            assert strategy == {"type": "Recreate"}
            with kubectl.forward(namespace, "mlflow", tmp_path) as url:
                logged = client.log(url, client.MIB)
        with new_stack() as stack:
            stack.configure(values).up().succeeded()
            kubectl.settled(namespace, 1)
            with kubectl.forward(namespace, "mlflow", tmp_path) as url:
                client.read_back(url, logged)
        claims = kubectl.items("persistentvolumeclaims", namespace)
        assert {claim["status"]["phase"] for claim in claims} == {"Bound"}
