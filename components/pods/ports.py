"""Ports of a Service and of a container, whose names must stay unique while their numbers change."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import pulumi
import pulumi_random as random

from .scope import Scope

T = TypeVar("T")


def known_while_unchanged(
    scope: Scope, of: str, ports: T, facts: Sequence[Any], after: Sequence[pulumi.Resource]
) -> pulumi.Output[T]:
    """The ports, which a preview does not know if they are about to change.

    A preview applies an object as another owner than the one who created it, and then sees the old port beside the new one,
    both called `http`, which Kubernetes refuses: https://github.com/pulumi/pulumi-kubernetes/blob/v4.32.0/provider/pkg/await/await.go
    (`fixCSAFieldManagers`). Objects with unknown values are not applied in a preview. The update itself replaces the port.

    Args:
        scope: The deployment.
        of: What has the ports.
        ports: The ports.
        facts: Numbers and names that they consist of.
        after: First objects in the cluster, which generated values wait for.
    """
    made = random.RandomId(
        f"{scope.name}-{of}-ports",
        byte_length=1,
        keepers={"ports": json.dumps(facts)},
        opts=scope.options(depends_on=list(after)),
    )
    return made.hex.apply(lambda _: ports)
