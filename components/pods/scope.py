"""What all Kubernetes objects of a deployment share: labels, metadata and pod settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input, NetworkPolicyArgs
from ..contracts import Credentials, NetworkDestination, Place, WorkloadIdentity
from ..labels import SERVER, selector
from .part import PodPart


@dataclass(frozen=True, kw_only=True)
class Scope(Place):
    """The deployment, with what its pods and the objects around them need.

    Attributes:
        identity: The identity of the pods on their cloud.
        user: The user's environment, for every container that runs MLflow.
    """

    identity: WorkloadIdentity
    user: PodPart = field(default_factory=PodPart)

    @property
    def service_name(self) -> str:
        """Name of the Service."""
        return self.args.names.service or self.name

    @property
    def deployment_name(self) -> str:
        """Name of the server's Deployment."""
        return self.args.names.deployment or f"{self.name}-server"

    def selector(self, component: str = SERVER) -> dict[str, str]:
        """Labels that select exactly the pods of one kind: every other pod has another `component`."""
        return selector(self.name, component)

    def own_labels(self, component: str) -> dict[str, str]:
        """Labels that the component itself sets, which never change."""
        return {**self.selector(component), "app.kubernetes.io/managed-by": "pulumi"}

    def destinations(self, network: NetworkDestination | None, credentials: Credentials) -> list[NetworkDestination]:
        """What a pod must reach for a store: the store, and where client libraries get credentials, in the networks that the arguments name.

        Args:
            network: The store.
            credentials: Where its client library fetches credentials, unless the identity decides.
        """
        policy = self.args.network_policy or NetworkPolicyArgs()
        # What the identity says of a cloud is exact.
        asked = chain.from_iterable({**credentials, **self.identity.credentials}.values())
        return [
            *([] if network is None else [network]),
            *(replace(each, networks=policy.identity_cidrs) for each in asked),
        ]

    def labels(self, component: str) -> dict[str, str]:
        """Labels of an object. The user's come first, so that they cannot replace the component's."""
        return {**self.args.labels, **self.own_labels(component)}

    def metadata(
        self,
        component: str,
        name: Input[str] | None = None,
        *,
        extra_labels: Mapping[str, str] | None = None,
        **more: object,
    ) -> k8s.meta.v1.ObjectMetaArgs:
        """Metadata of an object. Without a name Pulumi generates one, which is for what a changed content replaces (Secrets,
        ConfigMaps, Jobs); everything else has the name of its resource, see `lasting`."""
        return k8s.meta.v1.ObjectMetaArgs(
            name=name,
            **{"namespace": self.namespace, **more},  # type: ignore[arg-type]
            labels={**self.args.labels, **(extra_labels or {}), **self.own_labels(component)},
        )

    def lasting(self, **more: object) -> pulumi.ResourceOptions:
        """Options of an object with a name of its own, so that there cannot be two of it.

        If the provider dies after it made an object and before Pulumi heard of it, the next `up` makes the object again. Under a
        generated name that would be a second database beside the first, and a second server behind the same Service; under the
        same name the cluster refuses it.

        Objects that an earlier version left Pulumi to name keep their names: the engine takes an ignored input from the state, and
        from the program where there is none, or where it replaces the object.
        """
        return self.options(ignore_changes=["metadata.name"], **more)

    def start_timeouts(self, pods: int = 1) -> pulumi.CustomTimeouts:
        """How long Pulumi waits for pods that start one after the other; a little longer than Kubernetes does for one of them, whose
        own reason is better."""
        limit = f"{self.args.server.progress_deadline_seconds + 5 + 30 * max(0, pods - 1)}s"
        return pulumi.CustomTimeouts(create=limit, update=limit)

    def pod_metadata(
        self,
        component: str,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> k8s.meta.v1.ObjectMetaArgs:
        """Metadata of a template of pods that run MLflow.

        Args:
            component: Which kind of pod.
            labels, annotations: Those of this kind of pod, which win over those that the user gives to all.
        """
        pod = self.args.pod
        return k8s.meta.v1.ObjectMetaArgs(
            labels={
                **self.args.labels,
                **pod.labels,
                **(labels or {}),
                **self.identity.pod_labels,
                **self.own_labels(component),
            },
            annotations={**pod.annotations, **(annotations or {})} or None,
        )

    def store_metadata(self, component: str) -> k8s.meta.v1.ObjectMetaArgs:
        """Metadata of a template of pods that keep data: nothing that a user may change, since each change stops the store."""
        return k8s.meta.v1.ObjectMetaArgs(labels=self.own_labels(component))

    def pod_spec(
        self,
        *,
        user: int | None = None,
        groups: Sequence[int] = (),
        token: bool = False,
        account: Input[str] | None = None,
        affinity: k8s.core.v1.AffinityArgs | None = None,
        host_aliases: Sequence[k8s.core.v1.HostAliasArgs] = (),
        **more: object,
    ) -> k8s.core.v1.PodSpecArgs:
        """Pod specification that passes Pod Security `restricted`.

        Args:
            user: Numeric user id that the image is made for; that of MLflow's pods if not given. If the arguments let the
                cluster choose, it chooses users and groups of every pod.
            groups: Further groups of that user.
            token: Whether the pod gets a token for the Kubernetes API.
            account: Its ServiceAccount; that of the servers if not given.
            affinity: Where the pod must run; as in the arguments if not given.
            host_aliases: Lines of `/etc/hosts` before those of the arguments.
            **more: The rest of the specification.
        """
        pod = self.args.pod
        user = None if pod.run_as_user is None else user or pod.run_as_user
        return k8s.core.v1.PodSpecArgs(
            service_account_name=self.account_name if account is None else account,
            automount_service_account_token=token,
            # A Service called `mlflow` would otherwise inject MLFLOW_PORT=tcp://…, which MLflow reads as its port.
            enable_service_links=False,
            security_context=merged(
                {
                    "runAsNonRoot": True,
                    "runAsUser": user,
                    "runAsGroup": user,
                    "fsGroup": user,
                    "fsGroupChangePolicy": "OnRootMismatch",
                    **({"supplementalGroups": list(groups)} if groups and user is not None else {}),
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                pod.part("security_context"),
            ),
            image_pull_secrets=[
                k8s.core.v1.LocalObjectReferenceArgs(name=name) for name in self.args.image.pull_secrets
            ]
            or None,
            node_selector=pod.node_selector or None,
            affinity=affinity or pod.part("affinity") or None,
            tolerations=pod.part("tolerations") or None,
            priority_class_name=pod.priority_class_name,
            runtime_class_name=pod.runtime_class_name,
            scheduler_name=pod.scheduler_name,
            host_aliases=[*host_aliases, *pod.part("host_aliases")] or None,
            dns_policy=pod.dns_policy,
            dns_config=pod.part("dns_config") or None,
            **more,  # type: ignore[arg-type]
        )


def merged(ours: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """A security context with the user's merged over it, two levels deep, which is as deep as they go. Null leaves a field
    to the cluster."""
    both = {
        key: {**ours[key], **value} if isinstance(value, Mapping) and isinstance(ours.get(key), Mapping) else value
        for key, value in {**ours, **given}.items()
    }
    return {key: value for key, value in both.items() if value is not None}
