"""The instructions that a deployment leaves for its operator."""

from typing import Any

from tests.configurations import DEV, PRODUCTION, with_changes
from tests.graph.program import Secret, deploy

BACKUP = {"destination": {"volume": {}}, "password": "canary-password-of-backups"}


def readme(configuration: Any) -> str:
    graph = deploy(configuration)
    (text,) = [outputs["readme"] for urn, outputs in graph.outputs.items() if "MlflowDeployment" in urn]
    assert not isinstance(text, Secret) and "canary" not in text
    return text


def test_a_published_deployment_names_its_address_and_where_the_password_is() -> None:
    ingress = {"className": "nginx", "hosts": [{"host": "mlflow.example.com"}], "tls": [{"secretName": "certificate"}]}
    auth = {"basic": {"adminPassword": "canary-password-of-admin"}}
    text = readme(with_changes(PRODUCTION, {"ingress": ingress, "auth": auth, "backup": BACKUP}))
    assert "outside the cluster: https://mlflow.example.com" in text
    assert "`MLFLOW_TRACKING_URI=http://mlflow." in text
    assert "The administrator is `admin`" in text and "$ kubectl get secret" in text
    assert "$ pulumi-mlflow backup --namespace" in text


def test_one_that_is_published_nowhere_says_how_to_reach_it() -> None:
    text = readme(DEV)
    assert "$ kubectl port-forward --namespace" in text and "Nobody has to log in." in text
    assert "This deployment takes no backups of its own" in text
