"""Names of Kubernetes objects that users may choose."""

from collections.abc import Iterable

from .base import Block, Problem, block
from .checks import kubernetes_label_name, pattern

__all__ = ["NamesArgs"]


@block
class NamesArgs(Block):
    """Names of Kubernetes objects, where the defaults do not fit."""

    service: str | None = None
    """Name of the Service, which is part of the server's address; the component's name if not given."""
    deployment: str | None = None
    """Name of the Deployment; the component's name and `-server` if not given."""

    def problems(self) -> Iterable[Problem]:
        fix = "use at most 63 lower-case letters, digits and hyphens, starting with a letter"
        yield from pattern(self.service, r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", "service", "the name of a Service", fix)
        yield from kubernetes_label_name(self.deployment, "deployment", "the name of a Deployment")
