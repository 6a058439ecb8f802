"""The user's last word on Kubernetes objects: changes of those that the component makes, and whole ones of their own."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
from pulumi import _types
from pulumi_kubernetes import _utilities

from ..arguments.base import Problem
from ..arguments.manifests import Manifest, shape
from ..pods.scope import Scope
from ..reading.conversion import ConfigurationError

_PREFIX = "kubernetes:"
_KEYS = {
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "tolerations": None,
}
"""By which key the items of a list are told apart, where it is not `name`; None where they are not."""

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
"""Kinds of which the API's own and the most used extensions have no namespace."""


class Overrides:
    """Changes of Kubernetes objects by kind and name, `Deployment/server`: the name is the resource's, without the
    component's in front.

    It works where a resource is made, on the arguments of its constructor, rather than through the engine
    (`ResourceOptions.transforms`), so that it needs no callback from there and holds in previews and component providers
    alike. Transforms that a caller gives see what it has left.
    """

    def __init__(self, component: str, patches: Mapping[str, Manifest]) -> None:
        self._component = component
        self._patches = patches
        self._types: dict[str, str] = {}

    def transform(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        """What Pulumi calls for every resource of the component."""
        if not args.type_.startswith(_PREFIX) or args.name.startswith(f"{self._component}-extra-"):
            return None
        name = f"{args.type_.rpartition(':')[2]}/{args.name.removeprefix(f'{self._component}-')}"
        self._types[name] = args.type_
        patch = self._patches.get(name)
        if patch is None:
            return None
        props = dict(args.props)
        for key, value in patch.items():
            # Arguments of constructors are in snake_case, all below them as Kubernetes writes it.
            field = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
            props[field] = merge(props.get(field), value, key)
        return pulumi.ResourceTransformationResult(props=props, opts=args.opts)

    def refuse_what_is_not_there(self) -> None:
        """To be called when every resource has been made.

        Raises:
            ConfigurationError: A change is of an object that there is not, or of keys that it does not have.
        """
        if problems := list(self._problems()):
            raise ConfigurationError(problems)

    def _problems(self) -> Iterator[Problem]:
        for name, patch in self._patches.items():
            if name not in self._types:
                known = ", ".join(sorted(self._types))
                yield Problem(("overrides", name), "there is no such object", f"there are: {known}")
                continue
            group, _, kind = self._types[name].removeprefix(_PREFIX).rpartition(":")
            yield from shape(patch, f"{group}.{kind}", ("overrides", name), part=True)


def merge(base: Any, patch: Any, field: str = "") -> Any:
    """The value with a change applied: mappings are merged, null removes, and items of lists that have a name are
    merged with the item of that name, or removed by `$patch: delete`; whatever else is given takes the old one's place.

    Args:
        base: What a resource was given: arguments of any kind, or an output.
        patch: The change, with names as Kubernetes writes them.
        field: Name of the field that it is about.
    """
    if isinstance(base, pulumi.Output) and isinstance(patch, (Mapping, list)):
        return base.apply(lambda known: merge(known, patch, field))
    if _types.is_input_type(type(base)):
        base = _types.input_type_to_dict(base)
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
    plain = [_types.input_type_to_dict(item) if _types.is_input_type(type(item)) else item for item in base]
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
    """Whole objects of the user's, with the deployment's labels, in its namespace unless they say otherwise."""
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
    return pulumi.CustomResource(
        f"kubernetes:{version if '/' in version else f'core/{version}'}:{kind}",
        f"{scope.name}-extra-{kind.lower()}{where}-{metadata['name']}",
        props,
        scope.options(version=_utilities.get_version()),
    )
