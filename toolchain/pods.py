"""Why pods are not ready: asks the cluster, and lets the command line's own diagnosis judge."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.operations import diagnosis
from toolchain.cluster import kubectl_json
from toolchain.console import UserError


def unready(kubeconfig: Path, namespaces: Iterable[str], *, settled: bool = False) -> list[str]:
    """One entry for each pod that is not ready, and each Job and set of pods that cannot make one: its name and the reasons.

    Args:
        kubeconfig: The cluster.
        namespaces: Where to look.
        settled: Only tell reasons that will not go away by waiting a little.
    """
    found = []
    for namespace in sorted(namespaces):
        where = ("--namespace", namespace)
        try:
            objects = kubectl_json(kubeconfig, "get", "pods,jobs,replicasets,statefulsets", *where)["items"]
            events = kubectl_json(kubeconfig, "get", "events", *where, "--field-selector", "type=Warning")["items"]
        except UserError:
            continue
        found += diagnosis.unready(objects, events, settled=settled)
    return found
