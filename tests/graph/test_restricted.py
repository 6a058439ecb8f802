"""The evaluator of Pod Security `restricted` finds what breaks it."""

import pytest

from tests.configurations import changed
from tests.graph.restricted import violations

CONTAINER = {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
POD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "v", "emptyDir": {}}],
    "containers": [CONTAINER],
}


def test_good_pod_passes() -> None:
    assert violations(POD) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hostNetwork", True),
        ("hostPID", True),
        ("hostIPC", True),
        ("volumes", [{"name": "v", "hostPath": {"path": "/"}}]),
        ("securityContext.sysctls", [{"name": "x"}]),
        ("securityContext.runAsNonRoot", None),
        ("securityContext.runAsUser", 0),
        ("securityContext.seccompProfile", {"type": "Unconfined"}),
    ],
)
def test_bad_pod_is_found(path: str, value) -> None:
    assert violations(changed(POD, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("securityContext", None),
        ("securityContext.allowPrivilegeEscalation", True),
        ("securityContext.capabilities.drop", ["NET_RAW"]),
        ("securityContext.capabilities.add", ["SYS_ADMIN"]),
        ("securityContext.privileged", True),
        ("securityContext.runAsNonRoot", False),
        ("securityContext.procMount", "Unmasked"),
        ("ports", [{"hostPort": 80}]),
    ],
)
@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_bad_container_is_found(kind: str, path: str, value) -> None:
    assert violations({**POD, kind: [changed(CONTAINER, path, value)]})
