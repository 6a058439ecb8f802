"""Why there is no pod, or none that is ready: what is made of the cluster's answers."""

from pathlib import Path
from typing import Any

import pytest

from toolchain import pods

QUOTA = (
    'Error creating: pods "m-x" is forbidden: failed quota: all-limits: must specify limits.cpu for: migration,mlflow'
)


def _owner(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"namespace": "ml", "name": name, "uid": name}, "spec": {}, **more}


def _event(uid: str, message: str = QUOTA, reason: str = "FailedCreate") -> dict[str, Any]:
    return {"reason": reason, "message": message, "involvedObject": {"uid": uid}}


def _told(monkeypatch: pytest.MonkeyPatch, objects: list[Any], events: list[Any]) -> list[str]:
    def answer(_: Path, *command: str) -> Any:
        return {"items": events if command[1] == "events" else objects}

    monkeypatch.setattr(pods, "kubectl_json", answer)
    return pods.unready(Path("kubeconfig"), ["ml"], settled=True)


@pytest.mark.parametrize("kind", ["Job", "ReplicaSet", "StatefulSet"])
def test_what_a_quota_refuses_is_told_although_there_is_no_pod(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = _told(monkeypatch, [_owner(kind, "m")], [_event("m", "older"), _event("m")])
    reason = QUOTA.replace('pods "m-x"', "the pod")
    assert told == f"{kind} ml/m cannot make a pod: {reason}; see `resources` in docs/clusters.md"


def test_what_has_a_pod_wants_none_or_has_ended_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = {"kind": "Pod", "metadata": {"name": "p", "ownerReferences": [{"uid": "made"}]}, "status": {}}
    objects = [
        pod,
        _owner("Job", "made"),
        _owner("Job", "done", status={"completionTime": "2026-01-01T00:00:00Z"}),
        {**_owner("ReplicaSet", "old"), "spec": {"replicas": 0}},
        _owner("StatefulSet", "well"),
    ]
    events = [_event("made"), _event("done"), _event("old"), _event("gone"), _event("well", reason="Other")]
    assert _told(monkeypatch, objects, events) == []
