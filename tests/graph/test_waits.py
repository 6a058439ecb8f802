"""How long `pulumi up` waits for what is made in the cluster: a limit of ours for all that may never become ready."""

import re

import pytest

from tests.configurations import DEV, with_changes
from tests.graph.program import Registration, arguments_of, deploy
from tests.graph.scenarios import SCENARIOS

AWAITED = ("Deployment", "StatefulSet", "Job", "Service", "PersistentVolumeClaim", "Ingress", "Pod", "DaemonSet")
"""Kinds that the provider waits for, ten minutes unless it is told otherwise:
https://www.pulumi.com/docs/iac/concepts/options/customtimeouts/."""
BALANCED = with_changes(DEV, {"service.type": "LoadBalancer", "allowInsecure": True})
CASES = {name: SCENARIOS[name] for name in ("sqlite", "postgresql-s3", "minio", "in-cluster-mysql", "created-database", "published", "backup")}  # fmt: skip


def seconds(registration: Registration, what: str) -> int:
    found = re.fullmatch(r"(\d+)(s|m)", registration.timeouts[what])
    assert found, registration.timeouts
    return int(found[1]) * (60 if found[2] == "m" else 1)


@pytest.mark.parametrize("name", [*CASES, "load balancer"])
def test_nothing_is_waited_for_without_a_limit(name: str) -> None:
    configuration = CASES.get(name, BALANCED)
    graph, migration = deploy(configuration), arguments_of(configuration).migration_timeout_seconds
    awaited = [
        each for each in graph if each.type.rpartition(":")[2] in AWAITED and each.type.startswith("kubernetes:")
    ]
    assert awaited
    for each in awaited:
        if (each.metadata.get("annotations") or {}).get("pulumi.com/skipAwait") == "true":
            continue
        longest = migration + 120 if each.name.endswith("-migration") else 600
        for what in ("create", "update"):
            assert 0 < seconds(each, what) <= longest, (each.name, each.timeouts)
    # What has no reason to be waited for is not.
    for each in graph.of("PersistentVolumeClaim"):
        assert each.metadata["annotations"]["pulumi.com/skipAwait"] == "true"


def test_the_preflight_asks_for_what_the_migration_will_ask_for() -> None:
    graph = deploy(with_changes(SCENARIOS["postgresql-s3"], {"resources.migration.memoryRequest": "3Gi", "resources.migration.memoryLimit": "4Gi"}))  # fmt: skip
    asked = {
        name: graph.named(f"mlflow-{name}", "Job").pod["spec"]["containers"][0]["resources"]["requests"]["memory"]
        for name in ("preflight", "migration")
    }
    assert asked == {"preflight": "3Gi", "migration": "3Gi"}


@pytest.mark.parametrize(("drain", "given"), [(10, "120"), (600, "660")])
def test_an_upgrade_waits_for_servers_longer_than_they_drain(drain: int, given: str) -> None:
    graph = deploy(with_changes(SCENARIOS["upgrades-itself"], {"server.drainSeconds": drain}))
    (container,) = graph.named("mlflow-migration", "Job").pod["spec"]["containers"]
    assert {"name": "UPGRADE_STOP_SECONDS", "value": given} in container["env"]
