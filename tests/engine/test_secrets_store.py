"""Volumes of the Secrets Store CSI driver, as its providers read them; the driver itself needs a cloud behind it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.deployed import own_keys
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl

pytestmark = pytest.mark.extended

KIND = "secretproviderclasses.secrets-store.csi.x-k8s.io"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": KIND},
    "spec": {
        "group": "secrets-store.csi.x-k8s.io",
        "scope": "Namespaced",
        "names": {
            "kind": "SecretProviderClass",
            "listKind": "SecretProviderClassList",
            "plural": "secretproviderclasses",
            "singular": "secretproviderclass",
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "provider": {"type": "string"},
                                    "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}
"""What of the driver's own definition is used: names, and parameters that are texts."""

PROVIDERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "aws": (
        {"secret": "rds!db-1", "region": "eu-central-1", "usernameKey": "username"},
        {
            "region": "eu-central-1",
            "objects": [
                {
                    "objectName": "rds!db-1",
                    "objectType": "secretsmanager",
                    "jmesPath": [
                        {"path": '"password"', "objectAlias": "password"},
                        {"path": '"username"', "objectAlias": "username"},
                    ],
                }
            ],
        },
    ),
    "azure": (
        {"vault": "keys", "tenantId": "t", "clientId": "c", "passwordSecret": "db-password"},
        {
            "keyvaultName": "keys",
            "tenantId": "t",
            "clientID": "c",
            "objects": {
                "array": [{"objectName": "db-password", "objectType": "secret", "objectAlias": "password"}],
            },
        },
    ),
    "gcp": (
        {"passwordVersion": "projects/p/secrets/s/versions/latest"},
        {"secrets": [{"resourceName": "projects/p/secrets/s/versions/latest", "path": "password"}]},
    ),
    "vault": (
        {"address": "https://vault.example.com:8200", "role": "mlflow", "path": "secret/data/db", "passwordKey": "p"},
        {
            "vaultAddress": "https://vault.example.com:8200",
            "roleName": "mlflow",
            "objects": [{"objectName": "password", "secretPath": "secret/data/db", "secretKey": "p"}],
        },
    ),
}


@pytest.fixture(scope="module")
def definition(kubectl: Kubectl) -> Iterator[None]:
    """The cluster knows the kind."""
    kubectl.apply(DEFINITION)
    kubectl.wait("condition=Established", "crd", KIND)
    yield
    kubectl.run("delete", "crd", KIND, "--wait=false")


@pytest.mark.usefixtures("definition")
def test_each_provider_gets_its_own_shape(new_stack: Deploy, kubectl: Kubectl) -> None:
    with kubectl.namespace("enforce") as namespace, new_stack() as stack:
        name = ""
        for provider, (store, expected) in PROVIDERS.items():
            create = {"username": "master", "secretsStore": {provider: store}}
            values = {
                "namespace": namespace,
                "createNamespace": False,
                "database": {"postgresql": {"host": "db.example.com", "create": create}},
                "artifacts": {"volume": {}},
                "deletionProtection": False,
            }
            # Given, since of what is no target nothing is generated.
            stack.configure(values, own_keys())
            stack.up("--target", "**SecretProviderClass**", "--target", "**MlflowDeployment::mlflow").succeeded()
            (found,) = kubectl.items(KIND, namespace)
            parameters, name = found["spec"]["parameters"], found["metadata"]["name"]
            assert found["spec"]["provider"] == provider
            read = {key: _read(text) if key in ("objects", "secrets") else text for key, text in parameters.items()}
            assert read == expected

        # The Job mounts it (looked at for the last provider), and has neither the password nor a Secret of it.
        job = next(
            step["newState"]["inputs"]
            for step in stack.plan()["steps"]
            if step["urn"].endswith("::mlflow-database-creation") and ":Job:" in step["urn"]
        )
        pod = job["spec"]["template"]["spec"]
        (volume,) = [volume for volume in pod["volumes"] if "csi" in volume]
        assert volume["csi"]["driver"] == "secrets-store.csi.k8s.io"
        assert volume["csi"]["volumeAttributes"] == {"secretProviderClass": name}
        names = {variable["name"] for variable in pod["containers"][0]["env"]}
        assert "MASTER_PASSWORD" not in names
        assert "MASTER_USERNAME" in names


def _read(text: str) -> Any:
    """The YAML of a parameter; Azure's entries are YAML again."""
    value = yaml.safe_load(text)
    if isinstance(value, dict) and "array" in value:
        return {"array": [yaml.safe_load(entry) for entry in value["array"]]}
    return json.loads(json.dumps(value))
