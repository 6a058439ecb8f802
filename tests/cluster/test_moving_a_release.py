"""Releases of Helm charts are moved with what `import-values` writes and says, and moved back.

The objects are those that the charts document, under their names: community-charts/mlflow with SQLite, users and artifacts on a claim,
and the official chart with PostgreSQL, users in it, and S3.
"""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.support import client, postgresql, s3, users
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.extended

RELEASE, CLAIM, FOLDER, USER = "mlflow", "mlflow-pvc", "/mlflow/data", 1001
OFFICIAL = f"{RELEASE}-mlflow"
"""What the official chart calls the objects of a release."""


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
    auth = given["auth"]
    ini = settings(f"sqlite:///{auth['sqliteFullPath']}{auth['sqliteFile']}", auth["adminUsername"])
    ini += f"admin_password = {auth['adminPassword']}\n"
    key = {"MLFLOW_FLASK_SERVER_SECRET_KEY": given["flaskServerSecretKey"]}
    container = {
        "command": ["mlflow"],
        "args": [
            *("server", "--host=0.0.0.0", "--port=5000", "--app-name=basic-auth", "--serve-artifacts", "--workers=1"),
            f"--backend-store-uri=sqlite:///{given['backendStore']['defaultSqlitePath']}",
            f"--artifacts-destination={given['artifactRoot']['defaultArtifactsDestination']}",
        ],
        "env": [{"name": "MLFLOW_AUTH_CONFIG_PATH", "value": "/etc/mlflow/auth/basic_auth.ini"}],
        "envFrom": [{"secretRef": {"name": f"{RELEASE}-flask-server-secret-key"}}],
        "volumeMounts": [*given["extraVolumeMounts"], {"name": "ini", "mountPath": "/etc/mlflow/auth"}],
    }
    volumes = [*given["extraVolumes"], {"name": "ini", "secret": {"secretName": f"{RELEASE}-ini"}}]
    account = {"username": auth["adminUsername"], "password": auth["adminPassword"]}
    kubectl.apply(
        *(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": metadata(namespace, f"{RELEASE}-{name}"),
                "stringData": data,
            }
            for name, data in (
                ("auth-admin-secret", account),
                ("flask-server-secret-key", key),
                ("ini", {"basic_auth.ini": ini}),
            )
        ),
        *release(namespace, RELEASE, 80, given["image"], container, volumes, USER),
    )
    kubectl.rolled_out(namespace, f"deployment/{RELEASE}")


def settings(uri: str, administrator: str) -> str:
    """A file `basic_auth.ini`."""
    lines = [
        "[mlflow]",
        "default_permission = READ",
        f"database_uri = {uri.replace('%', '%%')}",
        f"admin_username = {administrator}",
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth",
    ]
    return "\n".join([*lines, ""])


def official(kubectl: Kubectl, namespace: str, given: dict[str, Any]) -> None:
    """A release of the official chart. The Secrets that the values name are its user's."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in given["server"]["value_options"].items()]
    store, mounted = given["mlflow"], given["extraVolumeMounts"]
    container = {
        "command": ["mlflow", "server", "--host=0.0.0.0", "--port=5000", *flags],
        "env": [
            {"name": "MLFLOW_BACKEND_STORE_URI", "valueFrom": store["backendStoreUriFrom"]},
            {"name": "MLFLOW_ARTIFACTS_DESTINATION", "value": store["artifactsDestination"]},
            *given["env"],
        ],
        "volumeMounts": mounted,
    }
    kubectl.apply(*release(namespace, OFFICIAL, 5000, given["image"], container, given["extraVolumes"], 1000))
    kubectl.rolled_out(namespace, f"deployment/{OFFICIAL}")


LABELS = {"app.kubernetes.io/name": "mlflow", "app.kubernetes.io/instance": RELEASE}


def metadata(namespace: str, name: str) -> dict[str, Any]:
    """How Helm marks what it has made."""
    annotations = {"meta.helm.sh/release-name": RELEASE, "meta.helm.sh/release-namespace": namespace}
    return {"name": name, "namespace": namespace, "labels": LABELS, "annotations": annotations}


def release(
    namespace: str,
    name: str,
    port: int,
    image: dict[str, str],
    container: dict[str, Any],
    volumes: list[dict[str, Any]],
    user: int,
) -> list[dict[str, Any]]:
    """What both charts make: account, Service and Deployment."""
    whole = {
        **container,
        "name": "mlflow",
        "image": f"{image['repository']}:{image['tag']}",
        "env": [
            *container["env"],
            {"name": "HOME", "value": "/tmp"},
            {"name": "MLFLOW_DISABLE_TELEMETRY", "value": "true"},
        ],
        "ports": [{"name": "mlflow", "containerPort": 5000}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "mlflow"}, "periodSeconds": 2},
        "volumeMounts": [*container["volumeMounts"], {"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "securityContext": {"runAsUser": user, "runAsGroup": user, "fsGroup": user},
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "containers": [whole],
        "volumes": [*volumes, {"name": "tmp", "emptyDir": {}}],
    }
    deployment = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": pod},
    }
    ports = [{"port": port, "targetPort": "mlflow", "name": "http"}]
    marked = metadata(namespace, name)
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": marked},
        {"apiVersion": "v1", "kind": "Service", "metadata": marked, "spec": {"selector": LABELS, "ports": ports}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": marked, "spec": deployment},
    ]


def run(kubectl: Kubectl, text: str) -> None:
    """Run a command that was printed, as a user does."""
    path = f"{Path(kubectl.program).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "KUBECONFIG": str(kubectl.kubeconfig), "PATH": path}
    done = subprocess.run(
        ["bash", "-ec", text], env=variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


def imported(
    kubectl: Kubectl, namespace: str, chart: str, given: dict[str, Any], folder: Path
) -> tuple[dict[str, Any], Path]:
    """What the command says of the running release, and the file that it writes."""
    (folder / "values.yaml").write_text(yaml.safe_dump(given))
    file = folder / "Pulumi.moved.yaml"
    arguments = ["import-values", str(folder / "values.yaml"), "--chart", chart, "--release", RELEASE, "--check"]
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


def moved(file: Path) -> dict[str, Any]:
    """The configuration that the command has written."""
    config = yaml.safe_load(file.read_text())["config"]
    return {name.removeprefix("mlflow:"): value for name, value in config.items()} | {"deletionProtection": False}


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

        told, file = imported(kubectl, namespace, "community", given, tmp_path)
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
        with new_stack() as stack:
            stack.configure(moved(file)).up().succeeded()
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


def test_a_release_on_postgresql_and_s3_moves_with_users_and_permissions_and_back(
    new_stack: Deploy,
    kubectl: Kubectl,
    session: Session,
    database: postgresql.Database,
    bucket: s3.Bucket,
    tmp_path: Path,
) -> None:
    admin, ada = users.Login("admin", secrets.token_hex(12)), users.Login("ada", secrets.token_hex(8))
    uri = f"postgresql://{database.name}:{quote(database.password, safe='')}@{database.host}:{database.port}/{database.name}"
    held = {
        "mlflow-db-secret": {"uri": uri},
        "s3-credentials": {"id": bucket.access_key_id, "word": bucket.secret_access_key},
        "mlflow-auth": {
            "key": secrets.token_hex(16),
            "word": admin.password,
            "basic_auth.ini": settings(uri, admin.username),
        },
    }

    def of(secret: str, key: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": secret, "key": key}}

    repository, _, tag = str(session.image).rpartition(":")
    given = {
        "image": {"repository": repository, "tag": tag},
        "mlflow": {
            "backendStoreUriFrom": of("mlflow-db-secret", "uri"),
            "artifactsDestination": f"s3://{bucket.name}/mlflow",
        },
        "server": {"value_options": {"workers": 1, "app_name": "basic-auth"}},
        "env": [
            {"name": "AWS_ACCESS_KEY_ID", "valueFrom": of("s3-credentials", "id")},
            {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": of("s3-credentials", "word")},
            {"name": "AWS_DEFAULT_REGION", "value": "us-east-1"},
            {"name": "MLFLOW_S3_ENDPOINT_URL", "value": bucket.endpoint_url},
            {"name": "MLFLOW_FLASK_SERVER_SECRET_KEY", "valueFrom": of("mlflow-auth", "key")},
            {"name": "MLFLOW_AUTH_CONFIG_PATH", "value": "/etc/mlflow/users/basic_auth.ini"},
            {"name": "MLFLOW_AUTH_ADMIN_PASSWORD", "valueFrom": of("mlflow-auth", "word")},
        ],
        "extraVolumes": [{"name": "auth", "secret": {"secretName": "mlflow-auth"}}],
        "extraVolumeMounts": [{"name": "auth", "mountPath": "/etc/mlflow/users", "readOnly": True}],
    }
    accounts = "SELECT username, is_admin FROM users ORDER BY username"
    with kubectl.namespace() as namespace:
        for name, content in held.items():
            kubectl.secret(namespace, name, content)
        official(kubectl, namespace, given)
        with kubectl.forward(namespace, OFFICIAL, tmp_path, 5000) as url, client.login(*admin):
            before = client.log(url, 100_000)
            assert users.create(url, admin, ada) == 200
            assert users.grant(url, admin, "ada", users.experiment(url, admin, before.experiment), "EDIT") == 200
        known = database.query(accounts)

        told, file = imported(kubectl, namespace, "official", given, tmp_path)
        assert told["complete"], told
        assert not any(each in file.read_text() + json.dumps(told) for each in (admin.password, uri))
        stop, back = (
            step[step.index("kubectl ") :].partition(". Existing")[0]
            for step in told["steps"]
            if step.startswith(("Stop the release", "The way back"))
        )
        run(kubectl, stop)
        with new_stack() as stack:
            stack.configure(moved(file)).up().succeeded()
            with kubectl.forward(namespace, "mlflow", tmp_path, 5000) as url:
                with client.login(*admin):
                    client.read_back(url, before)
                    after = client.log(url, 1024)
                assert database.query(accounts) == known
                assert users.log_parameter(url, ada, before.run_id) == 200  # her permission
                assert users.log_parameter(url, ada, after.run_id) == 403

            run(kubectl, back)  # what is new is still there
            kubectl.rolled_out(namespace, f"deployment/{OFFICIAL}")
            with kubectl.forward(namespace, OFFICIAL, tmp_path, 5000) as url, client.login(*admin):
                client.read_back(url, after)
                assert users.log_parameter(url, ada, before.run_id) == 200
