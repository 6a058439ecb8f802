"""Releases of Helm charts are moved with what `import-values` writes and says, and moved back.

Helm makes them, of charts that make the objects which the two charts document, under their names: community-charts/mlflow with SQLite,
users and artifacts on a claim, and the official chart with PostgreSQL, users in it, and S3.
"""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.support import client, postgresql, s3, users
from tests.support import helm as charts
from tests.support.fixtures import Deploy
from tests.support.helm import Helm
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


def run(helm: Helm, text: str, folder: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
    """What a command prints that was printed itself, run as a user does.

    Args:
        helm: The cluster.
        text: The command.
        folder: Where to run it.
        variables: Environment variables of `pulumi`, if the command uses it.
    """
    shell = helm.variables
    if variables:
        shell |= {**variables, "PATH": os.pathsep.join((shell["PATH"], variables["PATH"]))}
    done = subprocess.run(
        ["bash", "-ec", text], cwd=folder, env=shell, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def imported(helm: Helm, namespace: str, chart: str, folder: Path) -> tuple[dict[str, Any], Path]:
    """What the command says of the running release, by the values that Helm tells, and the file that it writes."""
    (folder / "values.yaml").write_text(helm.values(RELEASE, namespace))
    file = folder / "Pulumi.moved.yaml"
    file.unlink(missing_ok=True)
    arguments = ["import-values", str(folder / "values.yaml"), "--chart", chart, "--release", RELEASE, "--check"]
    arguments += ["--namespace", namespace, "--json", "--output", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "components.operations", *arguments],
        env=helm.variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout), file


def commands(told: dict[str, Any]) -> dict[str, str]:
    """The commands of the steps, by how the steps begin."""
    found = {}
    for step in told["steps"]:
        for start, end in (("Stop", None), ("Let", None), ("Make", None), ("The way back", ". Existing")):
            if step.startswith(start):
                found[start] = step[step.index("kubectl ") :].partition(end or "\n")[0]
        if later := re.fullmatch(r"Later, .*?: (kubectl .*?)\. Do not run .*`(\| xargs .*?)` .*?: (kubectl .*)", step):
            found["Later"] = f"{later[1]} && {later[3]} {later[2]}"
    return found


def moved(file: Path) -> dict[str, Any]:
    """The configuration that the command has written."""
    config = yaml.safe_load(file.read_text())["config"]
    return {name.removeprefix("mlflow:"): value for name, value in config.items()}


def test_a_release_moves_with_runs_users_and_permissions_and_back(
    new_stack: Deploy, kubectl: Kubectl, helm: Helm, session: Session, tmp_path: Path
) -> None:
    admin, ada = users.Login("admin", secrets.token_hex(12)), users.Login("ada", secrets.token_hex(8))
    given = values(admin.password, str(session.image))
    with kubectl.namespace() as namespace:
        kubectl.apply(claim(namespace))
        helm.install(RELEASE, namespace, charts.chart("community", tmp_path), given, "--wait")
        with kubectl.forward(namespace, RELEASE, tmp_path) as url, client.login(*admin):
            before = client.log(url, 100_000)
            assert users.create(url, admin, ada) == 200
            assert users.grant(url, admin, "ada", users.experiment(url, admin, before.experiment), "EDIT") == 200

        told, file = imported(helm, namespace, "community", tmp_path)
        assert admin.password not in file.read_text() + json.dumps(told)
        assert told["problems"] == [] and told["secrets"] == []
        found = {each["object"]: each for each in told["cluster"]}
        for known in ("Deployment mlflow", f"PersistentVolumeClaim {CLAIM}", "Secret mlflow-auth-admin-secret"):
            assert found[known]["ok"], found[known]
        assert "of the release mlflow" in found["service mlflow"]["text"]

        assert "mlflow-1.12.0" in found["Deployment mlflow"]["text"]

        step = commands(told)
        for command in ("Stop", "Let", "Make"):
            run(helm, step[command])
        with new_stack() as stack:
            stack.configure(moved(file)).up().succeeded()
            with kubectl.forward(namespace, "mlflow", tmp_path) as url:
                with client.login(*admin):
                    client.read_back(url, before)
                    after = client.log(url, 1024)
                assert users.is_admin(url, admin) and not users.is_admin(url, ada)
                assert users.log_parameter(url, ada, before.run_id) == 200  # her permission
                assert users.log_parameter(url, ada, after.run_id) == 403
            run(helm, step["The way back"], stack.folder, stack.variables)
            kubectl.rolled_out(namespace, f"deployment/{RELEASE}")
        with kubectl.forward(namespace, RELEASE, tmp_path) as url, client.login(*admin):
            client.read_back(url, after)
            assert users.log_parameter(url, ada, before.run_id) == 200
        volume = kubectl.json("get", "pvc", CLAIM, "--namespace", namespace)["spec"]["volumeName"]
        patch = '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'
        kubectl.text("patch", "pv", volume, "--patch", patch)


def test_a_release_on_postgresql_and_s3_moves_with_users_and_permissions_and_back(
    new_stack: Deploy,
    kubectl: Kubectl,
    helm: Helm,
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
        helm.install(RELEASE, namespace, charts.chart("official", tmp_path), given, "--wait")
        with kubectl.forward(namespace, OFFICIAL, tmp_path, 5000) as url, client.login(*admin):
            before = client.log(url, 100_000)
            assert users.create(url, admin, ada) == 200
            assert users.grant(url, admin, "ada", users.experiment(url, admin, before.experiment), "EDIT") == 200
        known = database.query(accounts)

        told, file = imported(helm, namespace, "official", tmp_path)
        assert told["complete"], told
        assert not any(each in file.read_text() + json.dumps(told) for each in (admin.password, uri))
        step = commands(told)
        run(helm, step["Stop"])
        with new_stack() as stack:
            stack.configure(moved(file)).up().succeeded()
            with kubectl.forward(namespace, "mlflow", tmp_path, 5000) as url:
                with client.login(*admin):
                    client.read_back(url, before)
                    after = client.log(url, 1024)
                assert database.query(accounts) == known
                assert users.log_parameter(url, ada, before.run_id) == 200  # her permission
                assert users.log_parameter(url, ada, after.run_id) == 403

            run(helm, step["The way back"])  # what is new is still there
            kubectl.rolled_out(namespace, f"deployment/{OFFICIAL}")
            with kubectl.forward(namespace, OFFICIAL, tmp_path, 5000) as url, client.login(*admin):
                client.read_back(url, after)
                assert users.log_parameter(url, ada, before.run_id) == 200


def test_what_is_taken_over_outlives_the_release(
    kubectl: Kubectl, helm: Helm, session: Session, tmp_path: Path
) -> None:
    given = {**values(secrets.token_hex(12), str(session.image)), "replicaCount": 0}
    with kubectl.namespace() as namespace:
        kubectl.apply(claim(namespace))
        helm.install(RELEASE, namespace, charts.chart("community", tmp_path), given)
        run(helm, commands(imported(helm, namespace, "community", tmp_path)[0])["Later"])
        assert left(kubectl, namespace) == {
            f"PersistentVolumeClaim {CLAIM}",
            "Secret mlflow-auth-admin-secret",
            "Secret mlflow-flask-server-secret-key",
        }
        assert helm.text("list", "--all", "--namespace", namespace, "--short") == ""

    given = {
        "image": given["image"],
        "replicaCount": 0,
        "mlflow": {"backendStoreUri": "sqlite:////mlflow/mlflow.db", "artifactsDestination": "/mlflow/artifacts"},
        "server": {"value_options": {"workers": 1}},
        "storage": {"enabled": True},
        "garbageCollection": {"enabled": True},
    }
    chart = charts.chart("official", tmp_path)
    with kubectl.namespace() as namespace:
        helm.install(RELEASE, namespace, chart, given)
        kubectl.text("annotate", "pvc", OFFICIAL, "helm.sh/resource-policy=keep", "--namespace", namespace)
        helm.text("uninstall", RELEASE, "--namespace", namespace, "--wait")
        assert left(kubectl, namespace) == set()  # so that nobody is told to run it

        helm.install(RELEASE, namespace, chart, given)
        step = commands(imported(helm, namespace, "official", tmp_path)[0])
        run(helm, step["Stop"])
        assert f"CronJob {OFFICIAL}-gc" not in left(kubectl, namespace)
        run(helm, step["Later"])
        assert left(kubectl, namespace) == {f"PersistentVolumeClaim {OFFICIAL}"}


def left(kubectl: Kubectl, namespace: str) -> set[str]:
    """What a namespace holds, but for what the cluster makes in each."""
    kinds = "deployments,cronjobs,services,serviceaccounts,configmaps,secrets,persistentvolumeclaims"
    found = {f"{each['kind']} {each['metadata']['name']}" for each in kubectl.items(kinds, namespace)}
    return found - {"ServiceAccount default", "ConfigMap kube-root-ca.crt"}
