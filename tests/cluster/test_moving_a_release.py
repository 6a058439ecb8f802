"""A release of a Helm chart is moved with what `import-values` writes and says, and moved back.

The objects are those that community-charts/mlflow documents, under its names, with SQLite, users and artifacts on a claim.
"""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import client, users
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.extended

RELEASE, CLAIM, FOLDER, USER = "mlflow", "mlflow-pvc", "/mlflow/data", 1001


def values(password: str, image: str) -> dict[str, Any]:
    """The values of the release."""
    repository, _, tag = image.rpartition(":")
    return {
        "strategy": {"type": "Recreate"},
        "image": {"repository": repository, "tag": tag},
        "extraVolumes": [{"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}],
        "extraVolumeMounts": [{"name": "data", "mountPath": FOLDER}],
        "backendStore": {"defaultSqlitePath": f"{FOLDER}/mlflow.db"},
        "artifactRoot": {"proxiedArtifactStorage": True, "defaultArtifactsDestination": f"{FOLDER}/mlartifacts"},
        "auth": {
            "enabled": True,
            "adminUsername": "admin",
            "adminPassword": password,
            "sqliteFullPath": f"{FOLDER}/",  # the chart puts the two together as they are
            "sqliteFile": "users.db",
        },
        "flaskServerSecretKey": secrets.token_hex(16),
    }


def claim(namespace: str) -> dict[str, Any]:
    """The claim, which users of the chart make themselves."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def install(kubectl: Kubectl, namespace: str, given: dict[str, Any]) -> None:
    """The release: makes what is not there, and starts it."""
    labels = {"app.kubernetes.io/name": "mlflow", "app.kubernetes.io/instance": RELEASE}
    annotations = {"meta.helm.sh/release-name": RELEASE, "meta.helm.sh/release-namespace": namespace}

    def metadata(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}

    def secret(suffix: str, data: dict[str, str]) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata(f"{RELEASE}-{suffix}"), "stringData": data}

    auth, image = given["auth"], given["image"]
    ini = "\n".join(
        [
            "[mlflow]",
            "default_permission = READ",
            f"database_uri = sqlite:///{auth['sqliteFullPath']}{auth['sqliteFile']}",
            f"admin_username = {auth['adminUsername']}",
            f"admin_password = {auth['adminPassword']}",
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth",
        ]
    )
    key = {"MLFLOW_FLASK_SERVER_SECRET_KEY": given["flaskServerSecretKey"]}
    container = {
        "name": "mlflow",
        "image": f"{image['repository']}:{image['tag']}",
        "command": ["mlflow"],
        "args": [
            *("server", "--host=0.0.0.0", "--port=5000", "--app-name=basic-auth", "--serve-artifacts", "--workers=1"),
            f"--backend-store-uri=sqlite:///{given['backendStore']['defaultSqlitePath']}",
            f"--artifacts-destination={given['artifactRoot']['defaultArtifactsDestination']}",
        ],
        "env": [
            {"name": "MLFLOW_AUTH_CONFIG_PATH", "value": "/etc/mlflow/auth/basic_auth.ini"},
            {"name": "HOME", "value": "/tmp"},
            {"name": "MLFLOW_DISABLE_TELEMETRY", "value": "true"},
        ],
        "envFrom": [{"secretRef": {"name": f"{RELEASE}-flask-server-secret-key"}}],
        "ports": [{"name": "mlflow", "containerPort": 5000}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "mlflow"}, "periodSeconds": 2},
        "volumeMounts": [
            *given["extraVolumeMounts"],
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "ini", "mountPath": "/etc/mlflow/auth"},
        ],
    }
    spec = {
        "securityContext": {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER},
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "containers": [container],
        "volumes": [
            *given["extraVolumes"],
            {"name": "tmp", "emptyDir": {}},
            {"name": "ini", "secret": {"secretName": f"{RELEASE}-ini"}},
        ],
    }
    kubectl.apply(
        secret("auth-admin-secret", {"username": auth["adminUsername"], "password": auth["adminPassword"]}),
        secret("flask-server-secret-key", key),
        secret("ini", {"basic_auth.ini": ini}),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(RELEASE)},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(RELEASE),
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": "mlflow", "name": "http"}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata(RELEASE),
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        },
    )
    kubectl.rolled_out(namespace, f"deployment/{RELEASE}")


def run(kubectl: Kubectl, text: str) -> None:
    """Run a command that was printed, as a user does."""
    path = f"{Path(kubectl.program).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "KUBECONFIG": str(kubectl.kubeconfig), "PATH": path}
    done = subprocess.run(
        ["bash", "-ec", text], env=variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


def imported(kubectl: Kubectl, namespace: str, given: dict[str, Any], folder: Path) -> tuple[dict[str, Any], Path]:
    """What the command says of the running release, and the file that it writes."""
    (folder / "values.yaml").write_text(yaml.safe_dump(given))
    file = folder / "Pulumi.moved.yaml"
    arguments = ["import-values", str(folder / "values.yaml"), "--chart", "community", "--release", RELEASE, "--check"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "components.operations",
            *arguments,
            "--namespace",
            namespace,
            "--json",
            "--output",
            str(file),
        ],
        env={**os.environ, "KUBECONFIG": str(kubectl.kubeconfig)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout), file


def test_a_release_moves_with_runs_users_and_permissions_and_back(
    new_stack: Deploy, kubectl: Kubectl, session: Session, tmp_path: Path
) -> None:
    admin, ada = users.Login("admin", secrets.token_hex(12)), users.Login("ada", secrets.token_hex(8))
    given = values(admin.password, str(session.image))
    with kubectl.namespace() as namespace:
        kubectl.apply(claim(namespace))
        install(kubectl, namespace, given)
        with kubectl.forward(namespace, RELEASE, tmp_path) as url, client.login(*admin):
            before = client.log(url, 100_000)
            assert users.create(url, admin, ada) == 200
            assert users.grant(url, admin, "ada", users.experiment(url, admin, before.experiment), "EDIT") == 200

        told, file = imported(kubectl, namespace, given, tmp_path)
        assert admin.password not in file.read_text() + json.dumps(told)
        assert told["problems"] == [] and told["secrets"] == []
        found = {each["object"]: each for each in told["cluster"]}
        for known in ("Deployment mlflow", f"PersistentVolumeClaim {CLAIM}", "Secret mlflow-auth-admin-secret"):
            assert found[known]["ok"], found[known]
        assert "of the release mlflow" in found["service mlflow"]["text"]

        stop, retain, room = (
            next(step[step.index("kubectl ") :] for step in told["steps"] if step.startswith(start))
            for start in ("Stop the release", "Let the volume", "Make room")
        )
        for command in (stop, retain, room):
            run(kubectl, command)
        config = yaml.safe_load(file.read_text())["config"]
        taken = {name.removeprefix("mlflow:"): value for name, value in config.items()}
        with new_stack() as stack:
            stack.configure({**taken, "deletionProtection": False}).up().succeeded()
            with kubectl.forward(namespace, "mlflow", tmp_path) as url:
                with client.login(*admin):
                    client.read_back(url, before)
                    after = client.log(url, 1024)
                assert users.is_admin(url, admin) and not users.is_admin(url, ada)
                assert users.log_parameter(url, ada, before.run_id) == 200  # her permission
                assert users.log_parameter(url, ada, after.run_id) == 403
            run(kubectl, f"kubectl --namespace {namespace} scale deployment/mlflow-server --replicas=0")

        # The way back: nothing of the stack is left but what it had taken over.
        install(kubectl, namespace, given)
        with kubectl.forward(namespace, RELEASE, tmp_path) as url, client.login(*admin):
            client.read_back(url, after)
            assert users.log_parameter(url, ada, before.run_id) == 200
        volume = kubectl.json("get", "pvc", CLAIM, "--namespace", namespace)["spec"]["volumeName"]
        patch = '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'
        kubectl.text("patch", "pv", volume, "--patch", patch)
