"""The stack files of the checkout, with this machine's names in place of a company's. Those of examples/ are in test_gcp, test_azure."""

from pathlib import Path

import pytest

from tests.configurations import own_values
from tests.support import aws, client, earlier
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name
from toolchain.environments import stack_file


def round_trip(kubectl: Kubectl, namespace: str, folder: Path) -> None:
    """Log and read back as a client outside the cluster."""
    with kubectl.forward(namespace, "mlflow", folder) as uri:
        client.read_back(uri, client.log(uri))


@pytest.mark.core
@pytest.mark.feature("profiles")
def test_development(new_stack: Deploy, kubectl: Kubectl, tmp_path: Path) -> None:
    namespace = unique_name()
    with new_stack() as stack:
        stack.configure({**own_values(stack_file("dev")), "namespace": namespace}).up().succeeded()
        earlier.record(stack, "dev")
        round_trip(kubectl, namespace, tmp_path)
        assert len(kubectl.pods(namespace)) == 1
        claims = kubectl.items("persistentvolumeclaims", namespace)
        assert {claim["status"]["phase"] for claim in claims} == {"Bound"}
    assert not kubectl.exists("namespace", namespace)


@pytest.mark.extended
@pytest.mark.feature("profiles")
def test_production_on_aws(new_aws_stack: Deploy, kubectl: Kubectl, aws_cloud: aws.Cloud, tmp_path: Path) -> None:
    """Everything of the file; what it protects may be deleted at the end."""
    values, name = own_values(stack_file("prod")), unique_name()
    rds = {**values["database"]["rds"], **aws_cloud.database("postgresql", name.replace("-", "_"))}
    values |= {
        **aws_cloud.configuration,
        "namespace": name,
        "aws": {**values["aws"], **aws_cloud.facts},
        "database": {"rds": rds},
        "artifacts": {"awsBucket": {**values["artifacts"]["awsBucket"], "forceDestroy": True}},
        "server": {"drainSeconds": 0, "env": aws_cloud.pods},
        "deletionProtection": False,
    }
    with new_aws_stack() as stack:
        stack.configure(values).up().succeeded()
        kubectl.wait("jsonpath={.status.availableReplicas}=2", "deployment", "--all", "--namespace", name)
        round_trip(kubectl, name, tmp_path)
    assert not kubectl.exists("namespace", name)
