"""The stack file for production, with this machine's names in place of a company's.

That for development is in test_sqlite, those of examples/ in test_gcp and test_azure.
"""

from pathlib import Path

import pytest

from tests.configurations import own_values
from tests.support import aws, client, configurations
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name
from toolchain.environments import stack_file

pytestmark = pytest.mark.extended


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
        "server": {**configurations.SERVER, "env": aws_cloud.pods},
        "deletionProtection": False,
    }
    with new_aws_stack() as stack:
        stack.configure(values).up().succeeded()
        kubectl.wait("jsonpath={.status.availableReplicas}=2", "deployment", "--all", "--namespace", name)
        with kubectl.forward(name, "mlflow", tmp_path) as uri:
            client.read_back(uri, client.log(uri))
    assert not kubectl.exists("namespace", name)
