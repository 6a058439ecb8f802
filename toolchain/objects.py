"""Kubernetes objects by their names: which of them a cluster has."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from toolchain.cluster import kubectl
from toolchain.console import UserError


class Object(NamedTuple):
    """An object in a cluster; `namespace` is empty for one without."""

    version: str
    kind: str
    namespace: str
    name: str

    @property
    def id(self) -> str:
        """What the state calls it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Object:
        """The object of a manifest, or of the inputs of a resource."""
        metadata = manifest.get("metadata") or {}
        return cls(
            manifest["apiVersion"], manifest["kind"], metadata.get("namespace") or "", metadata.get("name") or ""
        )


def existing(kubeconfig: Path, objects: Iterable[Object]) -> set[Object]:
    """Those of the objects that the cluster has.

    Raises:
        UserError: The cluster does not answer.
    """
    asked = sorted(set(objects))
    if not asked:
        return set()
    items = [
        {"apiVersion": each.version, "kind": each.kind, "metadata": {"name": each.name, "namespace": each.namespace}}
        for each in asked
    ]
    command = [kubectl(), "--kubeconfig", kubeconfig, "--request-timeout=20s", "get", "--filename=-"]
    result = subprocess.run(
        [*command, "--ignore-not-found", "--output=json"],
        input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}),
        capture_output=True,
        text=True,
        check=False,
    )
    # The cluster has nothing of a kind that it does not know; kubectl prints what it found of the others.
    if result.returncode and "no matches for kind" not in result.stderr:
        raise UserError(f"`kubectl get` failed: {result.stderr.strip()}", "See whether the cluster answers.")
    found = json.loads(result.stdout) if result.stdout.strip() else {}
    manifests = found.get("items", [found] if found else [])
    return {Object.of(each) for each in manifests} & set(asked)
