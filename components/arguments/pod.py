"""What Kubernetes needs to know of the server's pods."""

from collections.abc import Iterable

from pydantic import Field

from .base import Block, Problem, block
from .checks import between, kubernetes_name, labels, memory, qualified_keys
from .resources import ResourcesArgs


@block
class PodArgs(Block):
    """What Kubernetes needs to know of the server's pods."""

    resources: ResourcesArgs = ResourcesArgs()
    """Requests and limits."""
    tmp_size: str = "2Gi"
    """Limit of `/tmp`, where uploads and downloads that go through the server are spooled."""
    run_as_user: int = 1000
    """Numeric user; the official image has none and would run as root."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of the pods."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Further annotations of the pods."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that a node must have."""
    priority_class_name: str | None = None
    """PriorityClass of the pods."""

    def problems(self) -> Iterable[Problem]:
        yield from memory(self.tmp_size, "tmp_size")
        yield from between(self.run_as_user, 1, 2**31 - 1, "run_as_user", "(root is refused)")
        yield from kubernetes_name(self.priority_class_name, "priority_class_name", "the name of a PriorityClass")
        yield from labels(self.labels, "labels")
        yield from qualified_keys(self.annotations, "annotations")
        yield from labels(self.node_selector, "node_selector", refused=())
