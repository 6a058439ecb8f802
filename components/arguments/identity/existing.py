"""An existing role or identity."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from ..base import Input, Problem, block
from ..checks import labels, qualified_keys
from ..kinds import IdentityBlock

__all__ = ["ExistingIdentityArgs"]


@block
class ExistingIdentityArgs(IdentityBlock):
    """An existing role or identity that trusts the deployment's ServiceAccount."""

    service_account_annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations of the ServiceAccount, for example `eks.amazonaws.com/role-arn`."""
    pod_labels: dict[str, str] = Field(default_factory=dict)
    """Labels that every pod needs, for example `azure.workload.identity/use: "true"`."""

    @property
    def labels(self) -> Mapping[str, str]:  # type: ignore[override]
        return self.pod_labels

    @property
    def annotations(self) -> Mapping[str, Any]:
        return self.service_account_annotations

    def problems(self) -> Iterable[Problem]:
        yield from qualified_keys(self.service_account_annotations, "service_account_annotations")
        yield from labels(self.pod_labels, "pod_labels")
