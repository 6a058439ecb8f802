"""Changes to the component's Kubernetes objects, and additional objects: what can be checked before they exist."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .base import Path, Problem, plain
from .checks import DNS_SUBDOMAIN, OWN_LABELS
from .manifests import Manifest, shape


def patch_problems(overrides: Mapping[str, Manifest]) -> Iterator[Problem]:
    """Keys that cannot be the name of an object; whether it exists is only known once all objects are created."""
    for name in overrides:
        if not re.fullmatch(r"[A-Z]\w*/[a-z0-9][-a-z0-9.]*", name):
            yield Problem(
                ("overrides", name), "is not the name of an object", "write kind and name: 'Deployment/server'"
            )
        yield from _identity(overrides[name], ("overrides", name))


_NAMED = {
    "Service": "use names.service for that of the server",
    "Deployment": "use names.deployment",
    "ServiceAccount": "use serviceAccount.name",
    "Namespace": "use namespace",
    "CronJob": "remove it",
    "ConfigMap/upgrade": "remove it",
}
"""Kinds, and single objects, whose names others write down, and what to use instead."""


def _identity(patch: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """What others know an object by: its kind, its name, and the labels by which pods are selected."""
    for key in ("apiVersion", "kind"):
        if key in patch:
            yield Problem((*path, key), "cannot be changed", "remove it, or use extraObjects for another object")
    metadata, one = patch.get("metadata"), str(path[-1])
    named = _NAMED.get(one) or _NAMED.get(one.partition("/")[0])
    fixes = {"namespace": "use namespace", **({"name": named} if named else {})}
    for key in (key for key in fixes if isinstance(metadata, Mapping) and key in metadata):
        yield Problem((*path, "metadata", key), "is what others refer to", fixes[key])
    yield from _selected(patch, path)


def _selected(patch: Any, path: Path) -> Iterator[Problem]:
    """Labels of the component in a patch, at any depth."""
    for key, value in patch.items() if isinstance(patch, Mapping) else ():
        if key in OWN_LABELS[:3]:
            yield Problem((*path, key), "is a label by which objects are found", "remove it")
        else:
            yield from _selected(value, (*path, key))


def manifest_problems(objects: Sequence[Manifest]) -> Iterator[Problem]:
    """Objects that lack a required key, or are given twice."""
    seen: set[tuple[Any, ...]] = set()
    for index, manifest in enumerate(objects):
        path = ("extra_objects", index)
        metadata = plain(manifest.get("metadata"))
        if not isinstance(metadata, Mapping):
            yield Problem((*path, "metadata"), "is required", "give metadata.name")
            metadata = {"name": "x"}
        for key, regex, example in (
            ("apiVersion", r"([a-z0-9][-a-z0-9.]*/)?v\d\w*", "v1 or apps/v1"),
            ("kind", r"[A-Z][A-Za-z0-9]*", "ConfigMap"),
        ):
            if not re.fullmatch(regex, str(plain(manifest.get(key)) or "")):
                yield Problem((*path, key), "is missing or not valid", f"write for example {example}")
        name = plain(metadata.get("name"))
        if not isinstance(name, str) or not re.fullmatch(rf"{DNS_SUBDOMAIN}|[a-z0-9:.-]+", name):
            yield Problem(
                (*path, "metadata", "name"), "is missing or not valid", "give a name; Pulumi identifies objects by it"
            )
        key = (manifest.get("apiVersion"), manifest.get("kind"), metadata.get("namespace"), name)
        if key in seen:
            yield Problem(path, f"{manifest.get('kind')} {name!r} is given twice", "keep one of them")
        seen.add(key)
        version = str(plain(manifest.get("apiVersion")))
        yield from shape(manifest, f"{version if '/' in version else f'core/{version}'}.{manifest.get('kind')}", path)
