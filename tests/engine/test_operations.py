"""The command line against a real API server, with the Role that its document gives to operators."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.labels import selector
from tests.support.command_line import CommandLine
from tests.support.kubernetes import Kubectl
from tests.support.processes import eventually
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.core

DOCUMENT = ROOT / "docs" / "command-line.md"
LISTED = [{"id": "aaaaaaaa", "short_id": "aaaaaaaa", "time": "2026-01-01T00:00:00Z", "tags": ["backup"]}]
COMMANDS = {
    # As the programs of backups do it, with another restic.
    "backup": ["sh", "/programs/store.sh"],
    "restore": ["sh", "-c", '[ -n "$RESTORE_DRY_RUN" ] || { echo begun; sleep 4; echo restored; }'],
    "garbage-collection": ["sh", "-c", "echo no database here; exit 3"],
}
PROGRAMS = {
    "store.sh": "echo 'saved as snapshot aaaaaaaa'",
    "common.sh": f"repository() {{ code=0; }}\nrestic() {{ echo '{json.dumps(LISTED)}'; }}",
}


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl, session: Session) -> Iterator[str]:
    """A server and CronJobs with the labels of a deployment, which do next to nothing."""
    with kubectl.namespace() as made:
        server = {"replicas": 1, "selector": {"matchLabels": selector("mlflow")}}
        pod = _pod("server", "mlflow", ["sleep", "3600"], session)
        pod["spec"]["terminationGracePeriodSeconds"] = 1
        documents = [_object(made, "apps/v1", "Deployment", "mlflow-server", "server", {**server, "template": pod})]
        metadata = {"name": "programs", "namespace": made}
        documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": PROGRAMS})
        for component, command in COMMANDS.items():
            pod = _pod(component, "store" if component == "backup" else "mlflow", command, session)
            pod["spec"]["restartPolicy"] = "Never"
            labels = {"labels": selector("mlflow", component), "annotations": {"example.com/note": "kept"}}
            template = {"metadata": labels, "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 300, "template": pod}}
            spec = {"schedule": "0 0 1 1 *", "suspend": component == "restore", "jobTemplate": template}
            documents.append(_object(made, "batch/v1", "CronJob", f"mlflow-{component}", component, spec))
        kubectl.apply(*documents)
        yield made


def _object(namespace: str, version: str, kind: str, name: str, component: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": selector("mlflow", component)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _pod(component: str, container: str, command: list[str], session: Session) -> dict[str, Any]:
    mounts = [{"name": "programs", "mountPath": "/programs"}]
    ran = {"name": container, "image": session.image, "command": command, "volumeMounts": mounts}
    volumes = [{"name": "programs", "configMap": {"name": "programs"}}]
    return {
        "metadata": {"labels": selector("mlflow", component)},
        "spec": {"containers": [ran], "volumes": volumes},
    }


def documented_role() -> dict[str, Any]:
    """The Role in the document."""
    (found,) = re.findall(r"```yaml\n(apiVersion: rbac.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return yaml.safe_load(found)


def _account(kubectl: Kubectl, namespace: str, role: dict[str, Any], folder: Path) -> CommandLine:
    """The command line of an account that has only this Role."""
    name = role["metadata"]["name"]
    metadata = {"name": name, "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    binding = {
        "apiVersion": role["apiVersion"],
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": reference,
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    kubectl.apply({**role, "metadata": metadata}, account, binding)
    token = kubectl.text("create", "token", name, "--namespace", namespace)
    config = kubectl.json("config", "view", "--raw", "--minify")
    config["users"] = [{"name": "operator", "user": {"token": token}}]
    config["contexts"][0]["context"] = {"cluster": config["clusters"][0]["name"], "user": "operator"}
    path = folder / f"{name}.kubeconfig"
    path.write_text(json.dumps(config))
    return CommandLine(path, namespace)


@pytest.fixture(scope="module")
def operator(kubectl: Kubectl, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """Somebody with the documented Role."""
    kubectl.rolled_out(namespace)
    return _account(kubectl, namespace, documented_role(), tmp_path_factory.mktemp("operator"))


def test_a_job_is_the_one_that_kubectl_makes_and_its_log_is_followed(
    operator: CommandLine, kubectl: Kubectl, namespace: str
) -> None:
    found = operator.run("backup", "--json")
    assert found.json["snapshot"] == "aaaaaaaa" and found.json["succeeded"]
    assert "  saved as snapshot aaaaaaaa\n" in found.progress
    theirs = kubectl.json(
        *("create", "job", "theirs", "--from=cronjob/mlflow-backup", "--dry-run=server", "--namespace", namespace)
    )
    ours = kubectl.json("get", "job", found.json["job"], "--namespace", namespace)
    assert _comparable(ours) == _comparable(theirs)


def _comparable(job: dict[str, Any]) -> dict[str, Any]:
    """A Job without what is different in each."""
    metadata = {name: job["metadata"].get(name) for name in ("annotations", "ownerReferences")}
    job["spec"]["template"]["metadata"].pop("creationTimestamp", None)  # null, from some versions of kubectl
    text = json.dumps({"metadata": metadata, "labels": job["metadata"]["labels"], "spec": job["spec"]})
    return json.loads(text.replace(job["metadata"]["uid"], "UID").replace(job["metadata"]["name"], "NAME"))


def test_a_failed_job_is_told_with_its_last_line_and_its_exit_code(operator: CommandLine) -> None:
    found = operator.run("gc", "--yes")
    assert found.code == 1
    assert "failed with exit code 3" in found.progress and "\n  no database here\n" in found.progress
    assert "logs --all-containers job/mlflow-garbage-collection-" in found.progress
    shown = operator.run("status")
    assert shown.code == 1 and "the Job mlflow-garbage-collection-" in shown.result


def test_restore_stops_the_servers_and_goes_on_after_an_interruption(
    operator: CommandLine, kubectl: Kubectl, namespace: str
) -> None:
    with operator.popen("restore", "latest", "--yes") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip() == "begun":
                break
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate()
    assert process.returncode == 130
    assert "goes on in the cluster. Follow it: kubectl" in rest and "`pulumi-mlflow open`" in rest
    assert kubectl.pods(namespace) == []
    shown = operator.run("status", "--json")
    stopped = json.loads(shown.result)["stopped"]
    assert shown.code == 1
    assert (stopped["replicas"], stopped["snapshot"], stopped["for"]) == (1, "aaaaaaaa", "restore")
    assert all(each["spec"]["suspend"] for each in kubectl.items("cronjobs", namespace))

    found = operator.run("restore", "latest", "--json")
    assert found.json == {"snapshot": "aaaaaaaa", "before": None, "lost": None, "replicas": 1}
    names = {each["metadata"]["name"] for each in kubectl.items("jobs", namespace)}
    # The one that has only told what it would do, and one that did it.
    assert (
        len({name for name in names if "mlflow-restore-" in name} - {stopped["job"]}) == 1 and stopped["job"] in names
    )
    suspended = {each["metadata"]["name"]: each["spec"]["suspend"] for each in kubectl.items("cronjobs", namespace)}
    assert [name for name, value in suspended.items() if value] == ["mlflow-restore"]
    # Pulumi applies on the server's side, which refuses what another manager owns.
    managed = kubectl.json("get", "deployments,cronjobs", "--namespace", namespace, "--show-managed-fields")["items"]
    assert "pulumi-mlflow" not in {field["manager"] for each in managed for field in each["metadata"]["managedFields"]}


def test_why_a_pod_does_not_start_is_told(operator: CommandLine, kubectl: Kubectl, namespace: str) -> None:
    def put(selector: Any) -> None:
        patch = json.dumps({"spec": {"template": {"spec": {"nodeSelector": selector}}}})
        kubectl.text("patch", "deployment", "mlflow-server", "--namespace", namespace, f"--patch={patch}")

    put({"disk": "none-has-it"})
    try:
        eventually(lambda: "not scheduled: 0/" in operator.run("status").result, "the reason", 0.5)
    finally:
        put(None)


@pytest.mark.parametrize("command", ["backup", "status"])
def test_a_right_that_is_missing_is_named(
    command: str, operator: CommandLine, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    role = documented_role()
    role["metadata"]["name"] = "reader"
    role["rules"] = [{"apiGroups": ["apps", "batch"], "resources": ["deployments", "cronjobs"], "verbs": ["list"]}]
    found = _account(kubectl, namespace, role, tmp_path).run(command)
    missing = {"backup": "create jobs", "status": "list pods"}[command]
    assert found.code == 1
    assert f"you may not {missing} in the namespace {namespace}" in found.progress
    assert "docs/command-line.md" in found.progress
