"""The user's changes: patches of the Kubernetes objects that the component creates, and additional objects."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from ..arguments.base import Problem
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
        for key, value in patch.items():
            # Constructor arguments are in snake_case, everything below in Kubernetes' spelling.
            field = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
            props[field] = merge(props.get(field), value, key)
        return pulumi.ResourceTransformationResult(props=props, opts=args.opts)

    def problems(self) -> Iterator[Problem]:
        """Patches for objects that do not exist, or for keys that they do not have; known once all resources are registered."""
        for name, patch in self._patches.items():
            if name not in self._types:
                known = ", ".join(sorted(self._types))
                yield Problem(("overrides", name), "there is no such object", f"there are: {known}")
                continue
            group, _, kind = self._types[name].removeprefix(_PREFIX).rpartition(":")
            yield from shape(patch, f"{group}.{kind}", ("overrides", name), part=True)


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
    key = _KEYS.get(field, "name")
    if field == "ports":
        key = "containerPort" if all("containerPort" in item for item in [*plain, *patch]) else "port"
    if key is None or not all(isinstance(item, Mapping) and key in item for item in [*plain, *patch]):
        return patch
    merged = {item[key]: item for item in plain}
    for item in patch:
        if item.get("$patch") == "delete":
            merged.pop(item[key], None)
        else:
            merged[item[key]] = merge(merged.get(item[key]), item)
    return list(merged.values())


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
