"""Faults of the cluster that `pulumi up` must explain."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import configurations, postgresql, s3
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, unique_name

pytestmark = pytest.mark.extended

DEADLINE = 30
SOON = 300
"""Seconds within which an `up` ends that fails for want of a pod, on a busy machine too: half of Kubernetes' own limit."""
WRONG = {"repository": "registry.invalid/mlflow", "tag": "v0"}


@pytest.fixture(scope="module")
def sqlite(new_stack: Deploy, kubectl: Kubectl) -> Iterator[Deployed]:
    """A server on SQLite that works, which must stop before its next version starts."""
    with deploy(new_stack, kubectl, configurations.sqlite(unique_name()), {}) as deployed:
        yield deployed


def _soon(deployed: Deployed, **values: Any) -> str:
    """The output of an `up` with changed values that fails for want of a pod."""
    values["server"] = {**values.get("server", {}), "progressDeadlineSeconds": DEADLINE}
    result = deployed.reconfigure(**values).up().failed()
    assert result.seconds < SOON
    return result.output


def test_an_image_that_does_not_exist_is_named_and_the_server_goes_on(sqlite: Deployed, kubectl: Kubectl) -> None:
    (before,) = kubectl.pods(sqlite.namespace)
    output = _soon(sqlite, image=WRONG)
    assert "registry.invalid/mlflow:v0" in output
    assert "ErrImagePull" in output or "ImagePullBackOff" in output
    (after,) = kubectl.pods(sqlite.namespace)
    assert pod_name(after) == pod_name(before) and after["status"]["containerStatuses"][0]["ready"]


def test_a_server_that_ends_at_once_is_named_with_its_last_words(sqlite: Deployed) -> None:
    assert "--no-such-option" in _soon(sqlite, server={"options": {"no-such-option": True}})


def test_the_next_up_mends_it(sqlite: Deployed, kubectl: Kubectl) -> None:
    sqlite.reconfigure().up().succeeded()
    (pod,) = kubectl.pods(sqlite.namespace)
    assert pod["status"]["containerStatuses"][0]["ready"]


def test_pods_that_fit_nowhere_end_the_update_and_the_server_goes_on(sqlite: Deployed, kubectl: Kubectl) -> None:
    # Why a pod is not scheduled the provider does not tell: docs/operations.md says where to look.
    output = _soon(sqlite, pod={"nodeSelector": {"no": "such"}})
    assert "mlflow-preflight" in output and "DeadlineExceeded" in output
    (pod,) = kubectl.pods(sqlite.namespace)
    assert pod["status"]["containerStatuses"][0]["ready"]


def test_an_image_that_does_not_exist_is_named_before_a_migration(
    new_stack: Deploy, postgresql_server: postgresql.Server
) -> None:
    database, bucket = postgresql_server.database(), s3.Bucket("http://s3.example.com", "artifacts")
    server = {"progressDeadlineSeconds": DEADLINE, "replicas": 2}
    values = configurations.postgresql(unique_name(), database, bucket, image=WRONG, server=server)
    with new_stack() as stack:
        result = stack.configure(values, configurations.postgresql_secrets(database, bucket)).up().failed()
        assert "registry.invalid/mlflow:v0" in result.output
        assert "ErrImagePull" in result.output or "ImagePullBackOff" in result.output
        assert result.seconds < SOON
