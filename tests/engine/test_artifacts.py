"""Artifact stores that cannot run here, as the real engine and API server take them: what the pods would get."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support import configurations
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name

pytestmark = pytest.mark.extended

NONE = {"server": {"replicas": 0}}


@pytest.fixture(scope="module")
def deployed(new_stack: Deploy, kubectl: Kubectl) -> Iterator[Deployed]:
    """The deployment, without pods."""
    with deploy(new_stack, kubectl, configurations.sqlite(unique_name(), **NONE), {}) as made:
        yield made


def server(
    deployed: Deployed, kubectl: Kubectl, secrets: Mapping[str, str] | None = None, **values: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pods' specification and the server's variables, in the cluster, after a change of the configuration."""
    deployed.reconfigure(secrets, **values).up().succeeded()
    (found,) = kubectl.items("deployments", deployed.namespace)
    pod = found["spec"]["template"]["spec"]
    return pod, {v["name"]: v.get("value", v.get("valueFrom")) for v in pod["containers"][0]["env"]}


@pytest.mark.feature("art-oss")
def test_alibaba_oss_with_a_role_and_with_keys(deployed: Deployed, kubectl: Kubectl) -> None:
    bucket = {"bucket": "models", "prefix": "prod", "endpoint": "oss-eu-central-1-internal.aliyuncs.com"}
    annotation = {"pod-identity.alibabacloud.com/role-name": "mlflow"}
    identity = {"existing": {"serviceAccountAnnotations": annotation}}
    pod, variables = server(deployed, kubectl, artifacts={"oss": bucket}, identity=identity)
    expected = {
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://models/prod",
        "MLFLOW_S3_ENDPOINT_URL": "https://oss-eu-central-1-internal.aliyuncs.com",
        "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual",
        "MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION": "s3",
        "AWS_CONFIG_FILE": "/etc/mlflow/artifacts/config",
    }
    assert expected.items() <= variables.items()
    assert "AWS_ACCESS_KEY_ID" not in variables
    account = kubectl.json("get", "serviceaccount", pod["serviceAccountName"], "--namespace", deployed.namespace)
    assert annotation.items() <= account["metadata"]["annotations"].items()
    files = _files(pod, kubectl, deployed, "artifacts-files")
    assert files["config"] == "[default]\ncredential_process = python /etc/mlflow/artifacts/ram_credentials.py\n"
    assert "AssumeRoleWithOIDC" in files["ram_credentials.py"]

    keys = {**bucket, "accessKeyId": "id"}
    _, variables = server(deployed, kubectl, {"artifacts.oss.accessKeySecret": "half"}, artifacts={"oss": keys})
    assert "AWS_CONFIG_FILE" not in variables
    secret = kubectl.json(
        "get", "secret", variables["AWS_SECRET_ACCESS_KEY"]["secretKeyRef"]["name"], "--namespace", deployed.namespace
    )
    assert set(secret["data"]) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


@pytest.mark.feature("art-nfs")
def test_nfs_is_a_volume_of_its_own_that_outlives_the_deployment(deployed: Deployed, kubectl: Kubectl) -> None:
    export = {"server": "nfs.example.com", "path": "/exports/mlflow", "mountOptions": ["nfsvers=4.2"], "sizeGb": 7}
    pod, variables = server(deployed, kubectl, artifacts={"nfs": export})
    (claim,) = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if v["name"] == "artifacts"]
    assert variables["MLFLOW_ARTIFACTS_DESTINATION"] == "/mlflow/artifacts"
    kubectl.wait("jsonpath={.status.phase}=Bound", f"pvc/{claim}", "--namespace", deployed.namespace)
    name = kubectl.json("get", "pvc", claim, "--namespace", deployed.namespace)["spec"]["volumeName"]
    spec = kubectl.json("get", "pv", name)["spec"]
    assert spec["nfs"] == {"server": "nfs.example.com", "path": "/exports/mlflow"}
    assert spec["accessModes"] == ["ReadWriteMany"]
    assert spec["mountOptions"] == ["nfsvers=4.2"]
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"
    assert spec["claimRef"]["namespace"] == deployed.namespace
    deployed.stack.preview("--refresh", "--expect-no-changes").succeeded()


@pytest.mark.feature("art-hdfs")
def test_hdfs_with_kerberos(deployed: Deployed, kubectl: Kubectl) -> None:
    hdfs = {
        "host": "namenode.example.com",
        "port": 8020,
        "path": "/user/mlflow",
        "user": "mlflow",
        "ticketCache": {"existingSecret": "ticket"},
        "kerberosConfiguration": "[libdefaults]\ndefault_realm = EXAMPLE.COM\n",
        "extraConfiguration": {"dfs.replication": "2", "dfs.client.use.datanode.hostname": "true"},
    }
    image = {"repository": "registry.example.com/mlflow-hadoop", "tag": "1"}
    # There is no such image, which the preflight would wait for.
    overrides = {"Job/preflight": configurations.SKIP_AWAIT}
    pod, variables = server(deployed, kubectl, artifacts={"hdfs": hdfs}, image=image, overrides=overrides)
    expected = {
        "MLFLOW_ARTIFACTS_DESTINATION": "hdfs://namenode.example.com:8020/user/mlflow",
        "MLFLOW_KERBEROS_USER": "mlflow",
        "MLFLOW_KERBEROS_TICKET_CACHE": "/etc/mlflow/artifacts/krb5cc",
        "MLFLOW_PYARROW_EXTRA_CONF": "dfs.client.use.datanode.hostname=true,dfs.replication=2",
        "KRB5_CONFIG": "/etc/mlflow/artifacts/krb5.conf",
    }
    assert expected.items() <= variables.items()
    files = _files(pod, kubectl, deployed, "artifacts-files")
    assert "default_realm = EXAMPLE.COM" in files["krb5.conf"]
    (volume,) = [v for v in pod["volumes"] if v["name"] == "artifacts-files"]
    tickets = [source["secret"] for source in volume["projected"]["sources"] if "secret" in source]
    assert [(each["name"], each["items"]) for each in tickets] == [("ticket", [{"key": "krb5cc", "path": "krb5cc"}])]


def test_any_other_store_by_its_uri(deployed: Deployed, kubectl: Kubectl) -> None:
    secrets = {"artifacts.uri.uri": "b2://id:half@bucket/path", "artifacts.uri.secretEnv.B2_KEY": "secret"}
    _, variables = server(deployed, kubectl, secrets, artifacts={"uri": {"env": {"B2_REALM": "production"}}})
    assert variables["B2_REALM"] == "production"
    places = {variables[name]["secretKeyRef"]["name"] for name in ("MLFLOW_ARTIFACTS_DESTINATION", "B2_KEY")}
    assert len(places) == 1
    existing = {"uri": {"existingSecret": {"name": "place", "key": "of-artifacts"}}}
    _, variables = server(deployed, kubectl, artifacts=existing)
    assert variables["MLFLOW_ARTIFACTS_DESTINATION"] == {"secretKeyRef": {"name": "place", "key": "of-artifacts"}}


def _files(pod: dict[str, Any], kubectl: Kubectl, deployed: Deployed, volume: str) -> dict[str, str]:
    """The files of a volume that are not secret."""
    (found,) = [v for v in pod["volumes"] if v["name"] == volume]
    names = [source["configMap"]["name"] for source in found["projected"]["sources"] if "configMap" in source]
    return {
        key: value
        for name in names
        for key, value in kubectl.json("get", "configmap", name, "--namespace", deployed.namespace)["data"].items()
    }
