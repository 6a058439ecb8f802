"""The user's changes: patches of the Kubernetes objects that the component creates, and additional objects."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from ..arguments.base import Path, Problem
from ..arguments.input_types import as_mapping
from ..arguments.manifests import Manifest, shape
from ..pods.scope import Scope
from ..resources.bare import BareResource

_PREFIX = "kubernetes:"
_KEYS = {
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "tolerations": None,
}
"""The key that identifies items of a list, if it is not `name`; None if there is none."""

_CLUSTER_WIDE = frozenset(
    [
        "APIService",
        "CSIDriver",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "ClusterIssuer",
        "ClusterSecretStore",
        "ClusterExternalSecret",
    ]
)
"""Kinds without a namespace, of Kubernetes itself and of widely used extensions."""


class Overrides:
    """Patches of Kubernetes objects by kind and name, such as `Deployment/server`. The name is that of the resource without
    the component's name and hyphen.

    A patch is applied to the arguments of the resource's constructor, not by the engine (`ResourceOptions.transforms`), so
    it needs no callback from the engine and works in previews and component providers. The caller's transforms see the
    result.
    """

    def __init__(self, component: str, patches: Mapping[str, Manifest]) -> None:
        self._component = component
        self._patches = patches
        self._types: dict[str, str] = {}
        self._strangers: list[Problem] = []

    def transform(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        """Called by Pulumi for every resource of the component."""
        if not args.type_.startswith(_PREFIX) or args.name.startswith(f"{self._component}-extra-"):
            return None
        name = f"{args.type_.rpartition(':')[2]}/{args.name.removeprefix(f'{self._component}-')}"
        self._types[name] = args.type_
        patch = self._patches.get(name)
        if patch is None:
            return None
        props = dict(args.props)
        self._strangers += strangers(props, patch, ("overrides", name))
        for key, value in patch.items():
            # Constructor arguments are in snake_case, everything below in Kubernetes' spelling.
            field = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
            props[field] = merge(props.get(field), value, key)
        return pulumi.ResourceTransformationResult(props=props, opts=args.opts)

    def problems(self) -> Iterator[Problem]:
        """Patches for objects that do not exist, or for keys and items that they do not have; known once all resources are
        registered."""
        yield from self._strangers
        for name, patch in self._patches.items():
            if name not in self._types:
                known = ", ".join(sorted(self._types))
                yield Problem(("overrides", name), "there is no such object", f"there are: {known}")
                continue
            group, _, kind = self._types[name].removeprefix(_PREFIX).rpartition(":")
            yield from shape(patch, f"{group}.{kind}", ("overrides", name), part=True)


_NAMED = {"containers": "container", "initContainers": "init container", "volumes": "volume"}
"""Lists of a pod in which a misspelt name would add something."""


def strangers(base: Any, patch: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """Items of a patch that are not in the object, and are nothing that one could add: most often a misspelt name.

    Args:
        base: The object, or a part of it.
        patch: The patch of it, in Kubernetes' spelling.
        path: Path of the patch, for messages.
    """
    base = as_mapping(base)
    known = {_camel(key): value for key, value in base.items()} if isinstance(base, Mapping) else {}
    for key, value in patch.items():
        if isinstance(value, Mapping):
            yield from strangers(known.get(key), value, (*path, key))
        elif isinstance(value, list) and isinstance(known.get(key) or [], (list, tuple)):
            items = [as_mapping(item) for item in known.get(key) or []]
            if (name := _key(key, items, value)) is not None:
                yield from _strange_items({item[name]: item for item in items}, value, name, (*path, key), patch)


def _strange_items(
    base: Mapping[Any, Any], patch: list[Any], key: str, path: Path, around: Mapping[str, Any]
) -> Iterator[Problem]:
    field = str(path[-1])
    what, there = _NAMED.get(field, "item"), f"there are: {', '.join(map(str, base))}" if base else "there are none"
    for index, item in enumerate(patch):
        name, place = item[key], (*path, index, key)
        if name in base:
            yield from strangers(base[name], item, (*path, index))
        elif "$patch" in item:
            yield Problem(place, f"there is no {what} {name!r} to delete", there)
        elif field == "volumes" and name not in _mounted(around):
            yield Problem(place, f"there is no volume {name!r}, and nothing in this patch mounts it", there)
        elif field in ("containers", "initContainers") and not item.get("image"):
            yield Problem(place, f"there is no {what} {name!r}, and to add one it needs an image", there)


def _mounted(pod: Mapping[str, Any]) -> set[Any]:
    """Names of the volumes that a patch of a pod mounts."""
    containers = [each for field in ("containers", "initContainers") for each in pod.get(field) or ()]
    return {mount.get("name") for each in containers for mount in each.get("volumeMounts") or ()}


def merge(base: Any, patch: Any, field: str = "") -> Any:
    """Apply a patch: mappings are merged, null removes a key, named items of lists are merged with the item of that name,
    or removed with `$patch: delete`. Any other value replaces the old one.

    Args:
        base: Argument of a resource: an input type, a mapping, a plain value or an output.
        patch: The patch, in Kubernetes' spelling.
        field: Name of the field that holds the value.
    """
    if isinstance(base, pulumi.Output) and isinstance(patch, (Mapping, list)):
        return base.apply(lambda known: merge(known, patch, field))
    base = as_mapping(base)
    if isinstance(patch, Mapping):
        merged = {_camel(key): value for key, value in base.items()} if isinstance(base, Mapping) else {}
        for key, value in patch.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = merge(merged.get(key), value, key)
        return merged
    if isinstance(patch, list) and isinstance(base, (list, tuple)):
        return _merge_lists(list(base), patch, field)
    return patch


def _merge_lists(base: list[Any], patch: list[Any], field: str) -> list[Any]:
    plain = [as_mapping(item) for item in base]
    key = _key(field, plain, patch)
    if key is None:
        return patch
    merged = {item[key]: item for item in plain}
    for item in patch:
        if item.get("$patch") == "delete":
            merged.pop(item[key], None)
        else:
            merged[item[key]] = merge(merged.get(item[key]), item)
    return list(merged.values())


def _key(field: str, base: list[Any], patch: list[Any]) -> str | None:
    """The key by which the items of two lists are the same; None if one replaces the other as a whole."""
    key = _KEYS.get(field, "name")
    if field == "ports":
        key = "containerPort" if all("containerPort" in item for item in [*base, *patch]) else "port"
    return key if all(isinstance(item, Mapping) and key in item for item in [*base, *patch]) else None


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def extra_objects(scope: Scope) -> list[pulumi.CustomResource]:
    """The user's additional objects, with the deployment's labels, in its namespace unless they name another one."""
    return [_extra_object(scope, manifest) for manifest in scope.args.extra_objects]


def _extra_object(scope: Scope, manifest: Manifest) -> pulumi.CustomResource:
    kind, metadata = manifest["kind"], dict(manifest["metadata"])
    if kind not in _CLUSTER_WIDE:
        metadata.setdefault("namespace", scope.namespace)
    metadata = {key: value for key, value in metadata.items() if value is not None}
    metadata["labels"] = {**scope.labels("extra"), **(metadata.get("labels") or {})}
    props = {**manifest, "metadata": metadata}
    if kind == "Secret":
        props |= {key: pulumi.Output.secret(props[key]) for key in ("data", "stringData") if key in props}
    version = manifest["apiVersion"]
    where = f"-{metadata['namespace']}" if "namespace" in manifest["metadata"] and metadata.get("namespace") else ""
    return BareResource(
        f"kubernetes:{version if '/' in version else f'core/{version}'}:{kind}",
        f"{scope.name}-extra-{kind.lower()}{where}-{metadata['name']}",
        props,
        scope.options(),
    )
