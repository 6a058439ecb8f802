"""Kubernetes' own JSON schemas, strict: what they do not know is wrong. They come with the package kubernetes-validate."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate

from tests.property.deployments import Object

_FOLDER = Path(str(kubernetes_validate.__file__)).parent / "kubernetes-json-schema"

CUSTOM = (
    "monitoring.coreos.com", "gateway.networking.k8s.io", "secrets-store.csi.x-k8s.io", "cloud.google.com", "networking.gke.io",
)  # fmt: skip
"""API groups of custom resources, which Kubernetes itself has no schemas of."""


def problems(minor: str, item: Object) -> Iterator[str]:
    """What is wrong with an object for one minor version of Kubernetes.

    Args:
        minor: Such as `1.35`.
        item: The object.

    Raises:
        FileNotFoundError: This version has no such kind.
    """
    if item["apiVersion"].partition("/")[0] in CUSTOM:
        return
    for error in _validator(minor, item["apiVersion"], item["kind"]).iter_errors(item):
        yield f"{item['kind']} {error.instance_path}: {error.message}"


# kubernetes_validate.validate reads a schema of 1.5 MB and checks it in pure Python for every single object.
@functools.cache
def _validator(minor: str, version: str, kind: str) -> Any:
    # deployment-apps-v1.json, ingress-networking-v1.json (of networking.k8s.io), service-v1.json
    group, slash, name = version.rpartition("/")
    file = f"{kind.lower()}-{group.partition('.')[0]}{slash and '-'}{name}.json"
    schema = json.loads((_FOLDER / f"v{minor}.0-local-strict" / file).read_text())
    return jsonschema_rs.validator_for(
        schema, base_uri="json-schema:///api/object.json", retriever=lambda _: _definitions(minor)
    )


@functools.cache
def _definitions(minor: str) -> Any:
    return json.loads((_FOLDER / f"v{minor}.0-local-strict" / "_definitions.json").read_text())
