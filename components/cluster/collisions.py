"""Two objects of one name in the cluster: of one deployment, of two in one program, or one of them the user's own."""

from collections.abc import Mapping
from contextvars import ContextVar

import pulumi

from ..arguments.base import Path, Problem
from ..arguments.input_types import as_mapping

_PREFIX = "kubernetes:"
_MADE: ContextVar[dict[tuple[str, str, str], str] | None] = ContextVar("made", default=None)
"""Kind, namespace and name of every object that the program makes under a name of its own, with the resource's name. Of the
program, since two deployments may meet in a namespace."""


class Collisions:
    """Finds objects that the cluster would take for one: it would refuse the second, or change the first into it."""

    def __init__(self, component: str, namespace: str) -> None:
        self._component, self._namespace = component, namespace
        self._found: list[Problem] = []
        made = _MADE.get()
        if made is None:
            _MADE.set(made := {})
        self._made = made

    def transform(self, args: pulumi.ResourceTransformationArgs) -> None:
        """Called by Pulumi for every resource of the component, with the user's patches in it."""
        if not args.type_.startswith(_PREFIX):
            return
        given = as_mapping(args.props.get("metadata"))
        metadata = given if isinstance(given, Mapping) else {}
        name, namespace = metadata.get("name"), metadata.get("namespace")
        if not isinstance(name, str):
            return  # generated
        kind = args.type_.rpartition(":")[2]
        where = namespace if isinstance(namespace, str) else "" if namespace is None else self._namespace
        other = self._made.setdefault((kind, where, name), args.name)
        if other != args.name:
            message = f"{kind} {name!r} would be made twice, by {other} and by {args.name}"
            self._found.append(Problem(self._path(kind, args.name), message, "give one of them another name"))

    def _path(self, kind: str, resource: str) -> Path:
        """The argument that names the object."""
        if resource.startswith(f"{self._component}-extra-"):
            return ("extra_objects",)
        named: dict[str, Path] = {
            "Namespace": ("namespace",),
            "Service": ("names", "service"),
            "Deployment": ("names", "deployment"),
            "ServiceAccount": ("service_account", "name"),
        }
        return named.get(kind, ("overrides",))

    def problems(self) -> list[Problem]:
        """What was found once all resources have been registered."""
        return self._found
