"""`pulumi up` that is cut off half-way: what it made is neither lost nor made twice."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name
from tests.support.processes import eventually
from tests.support.pulumi import Stack

pytestmark = pytest.mark.extended


def test_nothing_is_made_twice_after_the_provider_died(new_stack: Deploy, kubectl: Kubectl) -> None:
    namespace = unique_name()
    values = {
        "namespace": namespace,
        "database": {"inClusterPostgresql": {"volume": {"sizeGb": 1}, "cpuRequest": "50m", "memoryRequest": "256Mi"}},
        "artifacts": {"volume": {"sizeGb": 1}},
        "deletionProtection": False,
        "server": {"replicas": 0},
    }
    kinds = "statefulsets,persistentvolumeclaims,deployments"
    with new_stack() as stack:
        process = stack.configure(values).popen("up", "--yes", "--skip-preview")
        eventually(lambda: kubectl.items("statefulsets", namespace), "the StatefulSet")
        os.kill(_provider(stack), signal.SIGKILL)
        process.communicate()
        assert process.returncode != 0

        # The state has no StatefulSet, and the cluster takes no second one.
        assert 'statefulsets.apps "mlflow-database" already exists' in stack.up().failed().output
        assert len(kubectl.items("statefulsets", namespace)) == 1

        # As docs/operations.md says.
        (component,) = [each["urn"] for each in stack.resources() if each["type"].endswith(":MlflowDeployment")]
        kind, made = "kubernetes:apps/v1:StatefulSet", f"{namespace}/mlflow-database"
        stack.take_in(kind, "mlflow-database", made, component)
        stack.up().succeeded()
        stack.up("--expect-no-changes").succeeded()
        named = [(each["kind"], each["metadata"]["name"]) for each in kubectl.items(kinds, namespace)]
        assert sorted(named) == [
            ("Deployment", "mlflow-server"),
            ("PersistentVolumeClaim", "mlflow-artifacts"),
            ("PersistentVolumeClaim", "mlflow-database"),
            ("StatefulSet", "mlflow-database"),
        ]


def _provider(stack: Stack) -> int:
    """The process of the Kubernetes provider that works for a stack."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            below = (process / "cwd").readlink().is_relative_to(stack.folder)
            if below and "pulumi-resource-kubernetes" in (process / "cmdline").read_text():
                found.append(int(process.name))
    (only,) = found
    return only
