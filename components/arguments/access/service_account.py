"""The account that the pods run as."""

from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block
from ..checks import kubernetes_name, labels, qualified_keys

__all__ = ["ServiceAccountArgs"]


@block
class ServiceAccountArgs(Block):
    """The account that the pods run as. Cloud trust policies name it together with the namespace."""

    create: bool = True
    """Create the account. If false, it must exist already in the deployment's namespace."""
    name: str | None = None
    """Name of the account; that of the component if not given."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations of the account, in addition to those that `identity` needs."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of the account."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.name, "name", "the name of a ServiceAccount")
        yield from qualified_keys(self.annotations, "annotations")
        yield from labels(self.labels, "labels")
        if self.create:
            return
        if self.name is None:
            yield Problem(("name",), "is required with create: false", "name the account that exists")
        for what in ("annotations", "labels"):
            if getattr(self, what):
                yield Problem(
                    (what,), "is given for an account that exists already", "set it there, and remove it here"
                )
