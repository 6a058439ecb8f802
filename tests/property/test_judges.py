"""Generated configurations in the eyes of Kubernetes and of kube-score."""

import copy
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from components import versions
from tests.property import schemas
from tests.property.deployments import Deployment, Object, none_has
from toolchain.session import Session

ACCEPTED: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
    "container-image-pull-policy": ("tags are those of versions; image.pullPolicy changes it", lambda _: True),
    "container-security-context-user-group-id": ("1000 is the user of the usual charts; pod.runAsUser changes it", lambda _: True),
    "container-ephemeral-storage-request-and-limit": (
        "what a pod writes is in /tmp, whose own limit ends the pod as well; pod.tmpSize changes it",
        lambda _: True,
    ),
    "container-resources": (
        "a CPU limit slows a server down while its node is idle; memory has one, and pod.resources adds one",
        lambda _: True,
    ),
    "pod-probes-identical": (
        "MLflow has one health endpoint, which asks nothing else; to be ready it takes 15 seconds, to be restarted 2 minutes",
        lambda _: True,
    ),
    "statefulset-has-servicename": (
        "one pod, which nobody asks for by its own name; Kubernetes asks for no serviceName since 1.34",
        lambda _: True,
    ),
    "ingress-targets-service": (
        "a path may lead to a Service of somebody else's",
        lambda c: any("serviceName" in p for host in c.get("ingress", {"hosts": []})["hosts"] for p in host.get("paths", [])),
    ),
    "pod-networkpolicy": ("a network policy is the user's choice", lambda c: "networkPolicy" not in c),
    "deployment-has-poddisruptionbudget": (
        "a disruption budget can be switched off",
        lambda c: not c.get("disruptionBudget", {}).get("enabled", True),
    ),
}  # fmt: skip
"""What kube-score calls critical and we do not: why, and for which configurations."""


def judged(program: str | None, deployments: Sequence[Sequence[Object]]) -> list[list[str]]:
    """What a program finds in each deployment. It must have looked at something in each."""
    document = json.dumps([list(objects) for objects in deployments], ensure_ascii=False)
    result = subprocess.run([str(program)], input=document, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    reports = json.loads(result.stdout)
    assert len(reports) == len(deployments)
    assert all(report["judged"] for report in reports)
    return [report["findings"] for report in reports]


def broken(deployment: Deployment, change: Callable[[Any], Any]) -> list[Object]:
    """The objects with the server's pod changed."""
    objects: Any = copy.deepcopy(list(deployment.objects))
    (server,) = [each for each in objects if each["kind"] == "Deployment"]
    change(server["spec"]["template"]["spec"])
    return objects


@pytest.mark.parametrize("minor", versions.KUBERNETES_SCHEMAS)
def test_objects_fit_the_schemas_of_kubernetes(minor: str, deployments: list[Deployment]) -> None:
    none_has(deployments, lambda d: [problem for each in d.objects for problem in schemas.problems(minor, each)])
    objects = broken(deployments[0], lambda pod: pod.update(restartPolice="Always"))
    assert any("restartPolice" in problem for each in objects for problem in schemas.problems(minor, each))


def test_pod_security_admits_every_pod(session: Session, deployments: list[Deployment]) -> None:
    bad = broken(deployments[0], lambda pod: pod["containers"][0].pop("securityContext"))
    *found, of_bad = judged(session.pod_security, [*(each.objects for each in deployments), bad])
    assert any("unrestricted capabilities" in finding for finding in of_bad)
    findings = dict(zip((each.label for each in deployments), found, strict=True))
    none_has(deployments, lambda each: findings[each.label])


def test_kube_score_finds_nothing_critical_but_what_is_accepted(
    session: Session, deployments: list[Deployment]
) -> None:
    bad = broken(deployments[0], lambda pod: pod["containers"][0].update(image="mlflow:latest"))
    *found, of_bad = judged(session.kube_score, [*(each.objects for each in deployments), bad])
    assert any(finding.startswith("container-image-tag:") for finding in of_bad)
    findings = dict(zip((each.label for each in deployments), found, strict=True))

    def refused(deployment: Deployment) -> list[str]:
        accepted = {check for check, (_, applies) in ACCEPTED.items() if applies(deployment.configuration)}
        return [text for text in findings[deployment.label] if text.partition(":")[0] not in accepted]

    none_has(deployments, refused)
    seen = {text.partition(":")[0] for texts in found for text in texts}
    assert set(ACCEPTED) <= seen, "what is accepted and never found is accepted for no reason"
