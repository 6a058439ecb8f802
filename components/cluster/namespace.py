"""The namespace."""

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import MlflowDeploymentArgs
from ..arguments.deployment import OF_NAMESPACE


def namespace(name: str, args: MlflowDeploymentArgs, parent: pulumi.Resource) -> k8s.core.v1.Namespace | None:
    """The namespace, with Pod Security `restricted` enforced; None if it exists already.

    Args:
        name: Name of the component.
        args: The arguments.
        parent: The component.
    """
    if not args.create_namespace:
        return None
    security, injection = OF_NAMESPACE
    labels = {**args.labels, security: "restricted"}
    if args.identity is not None and args.identity.alibaba_ram is not None:
        labels[injection] = "on"
    return k8s.core.v1.Namespace(
        f"{name}-namespace",
        metadata=k8s.meta.v1.ObjectMetaArgs(name=args.namespace, labels=labels),
        # Kubernetes deletes claims with their namespace, even if they are protected themselves.
        opts=pulumi.ResourceOptions(parent=parent, protect=args.deletion_protection),
    )
