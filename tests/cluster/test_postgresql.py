"""The production deployment: two replicas, an external PostgreSQL over verified TLS, an S3-compatible bucket."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from components import versions
from components.operations import fence
from components.operations.cluster import Cluster
from components.operations.console import Console
from components.operations.target import find
from tests.support import client, configurations, load, postgresql, s3
from tests.support.command_line import CommandLine
from tests.support.deployed import Deployed, deploy, own_keys
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts, unique_name

pytestmark = pytest.mark.core

DRAIN_SECONDS = 5
KEYS = ("MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY")


@pytest.fixture(scope="module")
def external(
    new_stack: Deploy, kubectl: Kubectl, database: postgresql.Database, bucket: s3.Bucket
) -> Iterator[Deployed]:
    """The deployment."""
    server = {"replicas": 2, "drainSeconds": DRAIN_SECONDS}
    values = configurations.postgresql(unique_name(), database, bucket, server=server)
    with deploy(new_stack, kubectl, values, configurations.postgresql_secrets(database, bucket)) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def target(external: Deployed, kubectl: Kubectl) -> load.Target:
    """The server, through its Service."""
    return load.Target.service(kubectl, external.namespace)


def test_nothing_crashed_on_the_way_up(external: Deployed, kubectl: Kubectl, database: postgresql.Database) -> None:
    servers, migrations = kubectl.pods(external.namespace), kubectl.pods(external.namespace, "migration")
    assert len(servers) == 2
    assert len(migrations) == 1
    assert migrations[0]["status"]["phase"] == "Succeeded"
    assert restarts([*servers, *migrations]) == 0
    assert "done (initialise)" in _migration_log(kubectl, external)
    assert len(database.query("SELECT version_num FROM alembic_version")) == 1
    migrated = migrations[0]["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    assert all(migrated <= server["metadata"]["creationTimestamp"] for server in servers)


def test_client_reads_back_what_it_logged(
    external: Deployed, kubectl: Kubectl, bucket: s3.Bucket, tmp_path: Path
) -> None:
    with kubectl.forward(external.namespace, "mlflow", tmp_path) as url:
        logged = client.log(url, 5 * client.MIB)
        client.read_back(url, logged)
    (key,) = [key for key in bucket.objects() if logged.run_id in key]
    assert key.startswith("prod/")
    assert bucket.client().get_object(Bucket=bucket.name, Key=key)["Body"].read() == logged.artifact


def test_the_service_leads_to_servers_only(external: Deployed, kubectl: Kubectl) -> None:
    slices = kubectl.items("endpointslices", external.namespace, "--selector=kubernetes.io/service-name=mlflow")
    endpoints = [endpoint for each in slices for endpoint in each["endpoints"] or []]
    assert {end["targetRef"]["name"] for end in endpoints} == {
        pod_name(pod) for pod in kubectl.pods(external.namespace)
    }
    assert all(endpoint["conditions"]["ready"] for endpoint in endpoints)


def test_the_connections_are_encrypted(external: Deployed, database: postgresql.Database, target: load.Target) -> None:
    target.post("experiments/search", max_results=1)
    rows = database.query(
        "SELECT application_name, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )
    assert rows
    assert set(rows) == {("mlflow-server", True)}


def test_again_changes_nothing(external: Deployed, kubectl: Kubectl) -> None:
    before = sorted(pod_name(pod) for pod in kubectl.pods(external.namespace))
    external.stack.up("--expect-no-changes").succeeded()
    assert sorted(pod_name(pod) for pod in kubectl.pods(external.namespace)) == before


def test_an_equal_schema_is_left_alone_by_another_migration(
    external: Deployed, kubectl: Kubectl, database: postgresql.Database
) -> None:
    before = {pod_name(pod) for pod in kubectl.pods(external.namespace)}
    version = database.query("SELECT version_num FROM alembic_version")
    changed = {**external.values["database"], "connectTimeoutSeconds": 21}
    external.reconfigure(database=changed).up().succeeded()
    log = _migration_log(kubectl, external)
    assert f"schema is at {version[0][0]}, as this image expects; nothing to do" in log
    assert "done" not in log
    assert database.query("SELECT version_num FROM alembic_version") == version
    assert {pod_name(pod) for pod in kubectl.pods(external.namespace)} == before


@dataclass(frozen=True)
class Rollout:
    """What clients saw while all pods were replaced.

    Attributes:
        replaced: Whether all pods were.
        keys: What the pods had before.
        given: The key that was given instead of one of them, which is why pods were replaced.
        run_id: The run that was logged to.
        new: Load on new connections.
        kept: Load on connections that were kept open.
        upload: What was uploaded from before the rollout until all old pods had long been told to end.
        upload_path: Its path in the bucket.
    """

    replaced: bool
    keys: dict[str, str]
    given: str
    run_id: str
    new: load.Load
    kept: load.Load
    upload: bytes
    upload_path: str


@pytest.fixture(scope="module")
def rollout(external: Deployed, kubectl: Kubectl, target: load.Target) -> Rollout:
    """A rolling update under load, which begins before it and ends after the last old pod."""
    run = target.post("runs/create", experiment_id="0")["run"]["info"]
    run_id = run["run_id"]
    path = f"{run['artifact_uri'].removeprefix('mlflow-artifacts:/')}/slow.bin"

    def log(step: int) -> None:
        target.post("runs/log-metric", run_id=run_id, key="new", value=step, timestamp=0, step=step)

    before = {pod_name(pod) for pod in kubectl.pods(external.namespace)}
    generated = _keys(kubectl, external)
    given = own_keys()["keys.flaskSecretKey"]  # the others encrypt what is stored, and do not change by the way
    stack = external.reconfigure({"keys.flaskSecretKey": given})
    uploaded, ended = threading.Event(), threading.Event()
    with ThreadPoolExecutor() as pool:
        new = pool.submit(load.new_connections, log, ended, 10)
        kept = pool.submit(load.kept_connections, target, run_id, ended)
        upload = pool.submit(load.slow_upload, target, path, uploaded)
        try:
            time.sleep(3)
            stack.up().succeeded()
            kubectl.rolled_out(external.namespace)
            time.sleep(DRAIN_SECONDS + 5)  # from here on, only the grace after the drain keeps the upload alive
            assert not any(work.done() for work in (new, kept, upload)), "the rollout outlasted the load"
            uploaded.set()
            kubectl.settled(external.namespace, 2)
        finally:
            uploaded.set()
            ended.set()
        replaced = before.isdisjoint(pod_name(pod) for pod in kubectl.pods(external.namespace))
        return Rollout(replaced, generated, given, run_id, new.result(), kept.result(), upload.result(), path)


def test_a_rollout_loses_no_request_on_new_connections(rollout: Rollout, target: load.Target) -> None:
    assert rollout.replaced
    assert rollout.new.failures == []
    assert len(rollout.new.seconds) > 200
    # What was answered was also done.
    assert len(_history(target, rollout.run_id, "new")) == len(rollout.new.seconds)


def test_a_rollout_loses_no_request_on_kept_connections(rollout: Rollout, target: load.Target) -> None:
    assert rollout.kept.failures == []
    assert len(rollout.kept.seconds) > 200
    # A retry may log a point twice; MLflow keeps one of those that are equal.
    logged = sum(len(_history(target, rollout.run_id, f"kept-{number}")) for number in range(4))
    assert logged == len(rollout.kept.seconds)


def test_a_rollout_does_not_cut_an_upload(rollout: Rollout, bucket: s3.Bucket) -> None:
    key = f"prod/{rollout.upload_path}"
    assert bucket.client().get_object(Bucket=bucket.name, Key=key)["Body"].read() == rollout.upload


@pytest.mark.feature("srv-secrets")
def test_keys_are_the_same_on_all_replicas_and_changed_ones_roll_the_pods(
    external: Deployed, rollout: Rollout, kubectl: Kubectl
) -> None:
    assert all(len(value) >= 32 for value in rollout.keys.values())
    assert len(set(rollout.keys.values())) == 3
    assert _keys(kubectl, external) == {**rollout.keys, "MLFLOW_FLASK_SERVER_SECRET_KEY": rollout.given}
    assert rollout.replaced


@pytest.mark.feature("check")
def test_the_command_line_shows_and_checks_what_runs_and_an_image_before_it_does(
    external: Deployed, kubectl: Kubectl, database: postgresql.Database
) -> None:
    command = CommandLine(kubectl.kubeconfig, external.namespace)
    (head,) = database.query("SELECT version_num FROM alembic_version")[0]
    shown = command.run("status", "--json").json
    assert shown["healthy"] and shown["image"] == versions.MLFLOW_IMAGE
    assert shown["replicas"] == {"wanted": 2, "ready": 2}

    found = command.run("check", "--image", versions.MLFLOW_IMAGE, "--json").json
    assert not found["upgrade_needed"]
    (schema,) = found["databases"][0]["schemas"]
    assert (schema["current"], schema["head"]) == (head, head)

    done = command.run("check", "--json").json
    assert [each["check"] for each in done if each["ok"]] == [
        "health",
        "version",
        "search",
        "a run logged and read back",
    ]
    assert done[1]["detail"] == versions.MLFLOW


def test_after_the_command_line_has_stopped_and_started_the_servers_pulumi_changes_them_as_before(
    external: Deployed, kubectl: Kubectl
) -> None:
    context = kubectl.text("config", "current-context").strip()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(kubectl.kubeconfig))
        patch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubectl.kubeconfig))
        target = find(Cluster.connect(context), None, external.namespace)
        fence.close(target, Console(), "restore")
        assert kubectl.pods(external.namespace) == []
        fence.open_(target, Console())
    assert len(kubectl.pods(external.namespace)) == 2
    external.reconfigure(server={**external.values["server"], "replicas": 1}).up().succeeded()
    kubectl.settled(external.namespace, 1)


def _history(target: load.Target, run_id: str, key: str) -> list[dict]:
    answer = requests.get(
        f"http://{target.address}:{target.port}/api/2.0/mlflow/metrics/get-history",
        params={"run_id": run_id, "metric_key": key, "max_results": 25_000},
        headers={"Host": target.host},
        timeout=120,
    )
    answer.raise_for_status()
    return answer.json().get("metrics", [])


def _keys(kubectl: Kubectl, deployed: Deployed) -> dict[str, str]:
    """The keys that the server pods have, which must be the same in each."""
    program = f"import json, os; print(json.dumps([os.environ[name] for name in {KEYS}]))"
    found = [
        kubectl.exec(deployed.namespace, pod_name(pod), "python", "-c", program)
        for pod in kubectl.pods(deployed.namespace)
    ]
    assert len(found) == 2
    assert len(set(found)) == 1
    return dict(zip(KEYS, json.loads(found[0]), strict=True))


def _migration_log(kubectl: Kubectl, deployed: Deployed) -> str:
    """Log of the newest migration."""
    pods = kubectl.pods(deployed.namespace, "migration")
    newest = max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])
    return kubectl.text("logs", "--namespace", deployed.namespace, pod_name(newest))
