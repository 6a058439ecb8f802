"""Why pods are not ready, in the words of Kubernetes and of the containers themselves. `make up` tells the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

PASSING = {"ContainerCreating", "PodInitializing"}
"""Reasons for waiting that every pod has for a while."""


def unready(objects: Iterable[dict[str, Any]], events: list[dict[str, Any]], *, settled: bool = False) -> list[str]:
    """One entry for each pod that is not ready, and each Job and set of pods that cannot make one: its name and the reasons.

    Args:
        objects: Pods, Jobs, ReplicaSets and StatefulSets, with their `kind`.
        events: Warnings of their namespaces.
        settled: Only tell reasons that will not go away by waiting a little.
    """
    objects = list(objects)
    pods = [each for each in objects if each["kind"] == "Pod"]
    found = list(_refused([each for each in objects if each["kind"] != "Pod"], pods, events))
    for pod in pods:
        reasons = list(_reasons(pod))
        if not settled:
            reasons += [f"event {reason}" for reason in _warnings(pod, events)]
        if reasons:
            name = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
            found.append("\n      ".join([name, *dict.fromkeys(reasons)]))
    return found


def _refused(owners: list[dict[str, Any]], pods: list[dict[str, Any]], events: list[dict[str, Any]]) -> Iterable[str]:
    """What the API server refuses to let in, because of a quota, a limit or a policy: there is no pod that could tell."""
    having = {owner["uid"] for pod in pods for owner in pod["metadata"].get("ownerReferences", [])}
    for owner in owners:
        metadata = owner["metadata"]
        if metadata["uid"] in having or metadata.get("deletionTimestamp") or owner["spec"].get("replicas") == 0:
            continue
        # Each attempt has another name, and is no other reason.
        refusals = [
            re.sub(r'pods "[^"]*" is', "the pod is", event["message"].strip())
            for event in events
            if event.get("reason") == "FailedCreate"
            and event.get("involvedObject", {}).get("uid") == metadata["uid"]
            and event.get("message")
        ]
        ended = owner["kind"] == "Job" and owner.get("status", {}).get("completionTime")
        if refusals and not ended:
            hint = "; see `resources` in docs/clusters.md" if re.search(r"quota|limit", refusals[-1]) else ""
            yield f"{owner['kind']} {metadata['namespace']}/{metadata['name']} cannot make a pod: {refusals[-1]}{hint}"


def _reasons(pod: dict[str, Any]) -> Iterable[str]:
    status = pod.get("status", {})
    if status.get("phase") == "Succeeded" or pod["metadata"].get("deletionTimestamp"):
        return
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            yield f"not scheduled: {condition.get('message', '')}"
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting") or {}
        ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated") or {}
        if waiting and waiting.get("reason") not in PASSING:
            yield f"container {container['name']} waits: {waiting.get('reason')}: {waiting.get('message', '')}".rstrip(
                ": "
            )
        if ended.get("exitCode") and not container.get("ready"):
            message = (ended.get("message") or "").strip()
            last = f": {message[-500:]}" if message else ""
            yield f"container {container['name']} ended with {ended['exitCode']} ({ended.get('reason', '')}){last}"


def _warnings(pod: dict[str, Any], events: Iterable[dict[str, Any]]) -> Iterable[str]:
    """The last warnings about a pod that is not ready."""
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
    if conditions.get("Ready") == "True" or pod.get("status", {}).get("phase") == "Succeeded":
        return []
    own = [e for e in events if e.get("involvedObject", {}).get("uid") == pod["metadata"]["uid"]]
    return [f"{e.get('reason')}: {(e.get('message') or '').strip()}" for e in own][-3:]
