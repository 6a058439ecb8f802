"""Keeping the servers away from the database while it is replaced, and what is remembered of it in the cluster.

All of it is in one annotation of the Deployment, written in the same request that stops the servers: whatever ends this program, the next
one knows how many there were and which schedules ran.
"""

from __future__ import annotations

import json
import time
from typing import Any

from ..labels import BACKUP, GARBAGE_COLLECTION, MIGRATION, SERVER
from . import diagnosis
from .cluster import MANAGER, Object
from .console import Console
from .errors import OperationError
from .jobs import running, warnings
from .target import Target, server_container

ANNOTATION = "pulumi-mlflow/closed"
WRITERS = (BACKUP, GARBAGE_COLLECTION, MIGRATION)
"""Components whose Jobs read or write the database as a whole."""
_MARGIN_SECONDS = 120


def record(target: Target) -> dict[str, Any] | None:
    """What was remembered when the servers were stopped; None if they were not."""
    return target.remembered(ANNOTATION)


def close(target: Target, console: Console, purpose: str, **more: Any) -> dict[str, Any]:
    """Stop the servers and the schedules, and wait until no server is left. Again, it changes nothing.

    Args:
        target: The deployment.
        console: Where to report.
        purpose: The command that needs it.
        **more: What else is to be remembered.

    Returns:
        What is remembered: `replicas`, `suspended`, `for` and the rest.

    Raises:
        OperationError: A Job works with the database, or the servers did not end.
    """
    known = record(target)
    if known is None:
        if busy := running(target, *WRITERS):
            names = ", ".join(job["metadata"]["name"] for job in busy)
            raise OperationError(f"the Job {names} works with the database", "Wait for its end, and run this again.")
        schedules = [each for each in target.all("cronjobs") if not each["spec"].get("suspend")]
        server = target.server()
        known = {
            "replicas": server["spec"].get("replicas", 1),
            "suspended": [each["metadata"]["name"] for each in schedules],
            "for": purpose,
            **more,
        }
        console.say(f"▸ stopping the servers of {target} ({known['replicas']} replicas) and its schedules")
        _annotate(target, server, known, replicas=0)
    for name in known["suspended"]:
        target.cluster.patch("cronjobs", target.namespace, name, {"spec": {"suspend": True}})
    # A run of the schedule may have begun in between.
    if busy := running(target, *WRITERS):
        names = ", ".join(job["metadata"]["name"] for job in busy)
        raise OperationError(
            f"the servers are stopped, and the Job {names} still works with the database",
            "Wait for its end and run this again, or start the servers with `pulumi-mlflow open`.",
        )
    _wait_for_end(target, console)
    return known


def adopt(target: Target, replicas: int, suspended: list[str], purpose: str, **more: Any) -> None:
    """Take over servers that somebody else has stopped.

    Args:
        target: The deployment.
        replicas: How many there were.
        suspended: Names of the CronJobs that ran.
        purpose: The command that needs it.
        **more: What else is to be remembered.
    """
    known = {"replicas": replicas, "suspended": suspended, "for": purpose, **more}
    _annotate(target, target.server(), known, replicas=0)


def note(target: Target, known: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Remember more."""
    _annotate(target, target.server(), {**known, **more})
    return {**known, **more}


def open_(target: Target, console: Console, *, image: str | None = None, wait: bool = True) -> None:
    """Start what `close` stopped, and wait until the servers are ready.

    Args:
        target: The deployment.
        console: Where to report.
        image: Image of the servers from now on; unchanged if None.
        wait: Whether to wait until they are ready.

    Raises:
        OperationError: They were not stopped by this program, or do not become ready.
    """
    known = record(target)
    if known is None:
        raise OperationError(
            f"the servers of {target} were not stopped by this program",
            f"See `pulumi-mlflow status`; to start them by hand: {target.kubectl('scale deployment --replicas=… NAME')}",
        )
    for name in known["suspended"]:
        target.cluster.patch("cronjobs", target.namespace, name, {"spec": {"suspend": False}})
        let_go(target, "cronjobs", name)
    server = target.server()
    console.say(f"▸ starting the servers of {target} ({known['replicas']} replicas)")
    _annotate(target, server, None, replicas=known["replicas"], image=image)
    let_go(target, "deployments", server["metadata"]["name"])
    if wait and known["replicas"]:
        wait_until_ready(target, console)


def image_of(server: Object) -> str:
    """The server's image."""
    return server_container(server["spec"]["template"])["image"]


def with_image(server: Object, image: str) -> Object:
    """The part of a pod template's patch that puts every container that runs the server's image on another one."""
    pod, old = server["spec"]["template"]["spec"], image_of(server)
    kinds = ("initContainers", "containers")
    lists = {kind: [each["name"] for each in pod.get(kind) or [] if each["image"] == old] for kind in kinds}
    return {
        "spec": {kind: [{"name": name, "image": image} for name in names] for kind, names in lists.items() if names}
    }


def _annotate(
    target: Target,
    server: Object,
    known: dict[str, Any] | None,
    *,
    replicas: int | None = None,
    image: str | None = None,
) -> None:
    """Write or take away the annotation, and in the same request the number of servers and their image."""
    spec: Object = {} if replicas is None else {"replicas": replicas}
    if image is not None:
        spec["template"] = with_image(server, image)
    body = {"metadata": {"annotations": {ANNOTATION: None if known is None else json.dumps(known)}}, "spec": spec}
    target.cluster.patch("deployments", target.namespace, server["metadata"]["name"], body)


def let_go(target: Target, kind: str, name: str) -> None:
    """Own no field any longer. Pulumi applies on the server's side, which refuses to change what another manager owns."""
    found = target.cluster.get(kind, target.namespace, name)["metadata"]
    others = [each for each in found.get("managedFields", []) if each.get("manager") != MANAGER]
    patch = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": found["resourceVersion"]},
        {"op": "replace", "path": "/metadata/managedFields", "value": others},
    ]
    for attempt in range(5):
        try:
            target.cluster.patch(kind, target.namespace, name, patch)
            return
        except OperationError:  # a controller has written its status meanwhile
            if attempt == 4:
                raise
            patch[0]["value"] = target.cluster.get(kind, target.namespace, name)["metadata"]["resourceVersion"]


def _wait_for_end(target: Target, console: Console) -> None:
    grace = target.server()["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30)
    until, told = time.monotonic() + grace + _MARGIN_SECONDS, False
    while pods := target.all("pods", SERVER):
        if time.monotonic() > until:
            names = " ".join(each["metadata"]["name"] for each in pods)
            raise OperationError(
                f"the servers did not end: {names}",
                "If their node is gone, make sure that it is off; then: "
                f"{target.kubectl(f'delete pod --force --grace-period=0 {names}')}, and run this again.",
            )
        if not told:
            console.say(f"  waiting for {len(pods)} pods to end")
            told = True
        time.sleep(0.5)


def wait_until_ready(target: Target, console: Console) -> None:
    server = target.server()
    until = time.monotonic() + server["spec"].get("progressDeadlineSeconds", 600) + _MARGIN_SECONDS
    while True:
        server = target.server()
        status, wanted = server.get("status", {}), server["spec"].get("replicas", 1)
        seen = status.get("observedGeneration", 0) >= server["metadata"]["generation"]
        if seen and status.get("updatedReplicas", 0) >= wanted and status.get("readyReplicas", 0) >= wanted:
            console.say(f"  {wanted} servers are ready")
            return
        if time.monotonic() > until:
            reasons = diagnosis.unready(target.all("pods", SERVER), warnings(target))
            raise OperationError(
                "the servers do not become ready" + "".join(f"\n    {each}" for each in reasons),
                "They are started, and Kubernetes goes on trying; `pulumi-mlflow status` shows how it goes.",
            )
        time.sleep(1)
