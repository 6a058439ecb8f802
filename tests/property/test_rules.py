"""Our own rules for every generated configuration."""

import dataclasses
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from components import to_arguments, versions
from components.arguments import BackupContinuousArgs
from components.arguments.base import plain, walk
from tests.graph.invariants import CHECKS, Check
from tests.property.deployments import PARTS, SEED, Deployment, Object, generate, none_has
from tests.property.spelled_out import arguments, given

ONCE = ("Job", "CronJob")
"""Kinds whose pods end, and that no Service, budget or monitor may count as servers."""


def templates(deployment: Deployment) -> Iterator[tuple[Object, Mapping[str, Any]]]:
    """Each object that makes pods, with the template of its pods."""
    for each in deployment.objects:
        spec = each.get("spec") or {}
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield each, template


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_invariant_holds(check: Check, deployments: list[Deployment]) -> None:
    none_has(deployments, lambda each: [told] if (told := each.broken.get(check.__name__)) else [])


def test_invariants_hold_in_a_preview(previews: Future[None]) -> None:
    previews.result()


def selectors(deployment: Deployment) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Who chooses pods by labels in order to send requests to them or to keep enough of them."""
    for each in deployment.of_kind("Service", "PodDisruptionBudget", "Deployment", "StatefulSet", "PodMonitor"):
        selector = each["spec"].get("selector") or {}
        if selector:
            yield f"{each['kind']} {each['metadata']['name']}", selector.get("matchLabels", selector)
    for owner, template in templates(deployment):
        for constraint in template["spec"].get("topologySpreadConstraints") or []:
            labels = constraint.get("labelSelector", {}).get("matchLabels")
            if labels:
                yield f"the spread of {owner['metadata']['name']}", labels


def test_selectors_choose_the_pods_of_one_workload_and_never_those_of_a_job(deployments: list[Deployment]) -> None:
    counted = {"selectors": 0, "jobs": 0}

    def problems(deployment: Deployment) -> Iterator[str]:
        made = list(templates(deployment))
        counted["jobs"] += sum(owner["kind"] in ONCE for owner, _ in made)
        for who, labels in selectors(deployment):
            counted["selectors"] += 1
            chosen = [o for o, template in made if labels.items() <= (template["metadata"].get("labels") or {}).items()]
            if len(chosen) != 1 or chosen[0]["kind"] in ONCE:
                yield f"{who} chooses {[(o['kind'], o['metadata']['name']) for o in chosen]}"

    none_has(deployments, problems)
    assert counted["selectors"] >= 2 * len(deployments) and counted["jobs"] > 100, counted


def images_of(arguments: Any) -> set[str]:
    """Every image that the arguments name, whether given or by default."""
    found = set()
    for _, block in walk(arguments):
        values = {field.name: plain(getattr(block, field.name)) for field in dataclasses.fields(block)}  # type: ignore[arg-type]
        if "repository" in values:
            digest = f"@{values['digest']}" if values.get("digest") else ""
            found.add(f"{values['repository']}:{values['tag']}{digest}")
        found |= {
            values[name] for name in ("image", "client_image", "artifacts_image") if isinstance(values.get(name), str)
        }
        if values.get("client_image", "") is None:
            found |= {versions.POSTGRESQL_IMAGE, versions.MARIADB_IMAGE}  # what it stands for
        if isinstance(block, BackupContinuousArgs) and block.image is None:
            found |= {versions.LITESTREAM_IMAGE, versions.PGBACKREST_IMAGE}
    return found


def images_given(value: Any) -> Iterator[str]:
    """Images in what is handed to Kubernetes as it is, such as further containers."""
    if isinstance(value, Mapping):
        if isinstance(value.get("image"), str):
            yield value["image"]
        for item in value.values():
            yield from images_given(item)
    elif isinstance(value, list):
        for item in value:
            yield from images_given(item)


def test_every_image_can_be_replaced(deployments: list[Deployment]) -> None:
    def problems(deployment: Deployment) -> Iterator[str]:
        named = images_of(to_arguments(deployment.configuration)) | set(images_given(deployment.configuration))
        for owner, template in templates(deployment):
            for kind in ("initContainers", "containers"):
                for container in template["spec"].get(kind) or []:
                    if container["image"] not in named:
                        yield f"{owner['kind']} {owner['metadata']['name']}: no argument names {container['image']}"

    none_has(deployments, problems)


NEVER_GENERATED: Mapping[str, str] = {
    "backup.destination.azure.existingSecret.connectionStringKey": "is of no use there: restic takes an access key",
    "backup.destination.sftp.existingSecret.passwordKey": "is of no use there: nobody could type it",
    "auth.database.mysql.create": "is refused: only the database of experiments is made by a Job",
    "auth.database.postgresql.create": "is refused: only the database of experiments is made by a Job",
    "identity.azureWorkloadIdentity.containerId": "is for a container that is there already; tests/graph/test_azure.py",
    "backup.destination.azure.containerId": "is for an identity that this stack makes; tests/graph/test_backups.py",
    "database.rds.engineVersion": "depends on the engine; tests/graph/test_aws.py",
    "database.aurora.engineVersion": "depends on the engine; tests/graph/test_aws.py",
}
"""Arguments that no generated configuration gives, with all below them, and why."""


def test_the_generated_configurations_use_every_argument(deployments: list[Deployment]) -> None:
    wanted = {path for path in arguments() if not any(f"{path}.".startswith(f"{never}.") for never in NEVER_GENERATED)}
    used = {path for deployment in deployments for path in given(deployment.configuration)}
    for more in range(60):  # what is rarely drawn may not be among the first
        if wanted <= used:
            break
        used |= {path for configuration in generate(SEED + PARTS + more) for path in given(configuration)}
    missing = wanted - used
    assert not missing, f"tests/strategies.py never gives these: {', '.join(sorted(missing))}"
    assert not set(NEVER_GENERATED) & used
