"""The one place that builds Jobs and CronJobs."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Sequence
from typing import Protocol

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input
from .containers import template
from .part import PodPart
from .scope import Scope

_MARGIN_SECONDS = 120
"""How much longer Pulumi waits than the Job may take, so that it can report why the Job failed."""
_NO_SIDECAR_LABELS = {"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled"}
_NO_SIDECAR_ANNOTATIONS = {
    "sidecar.istio.io/inject": "false",  # before Istio 1.10, which reads no label
    "linkerd.io/inject": "disabled",
    "consul.hashicorp.com/connect-inject": "false",
    # Vault's agent is injected by a pod's own annotation only. It then writes its files and ends.
    "vault.hashicorp.com/agent-pre-populate-only": "true",
}
"""What keeps service meshes from a pod that must end: a sidecar goes on running, unless it is one of Kubernetes' own kind."""


class Schedule(Protocol):
    """When a CronJob runs, and its limits: the blocks of CronJobs have these fields. No base class of theirs, since Pulumi's component
    analyzer reads the descriptions of a block's fields in its own source alone."""

    @property
    def schedule(self) -> str: ...
    @property
    def time_zone(self) -> str | None: ...
    @property
    def suspend(self) -> bool: ...
    @property
    def timeout_seconds(self) -> int: ...
    @property
    def starting_deadline_seconds(self) -> int: ...
    @property
    def successful_history(self) -> int: ...
    @property
    def failed_history(self) -> int: ...


def job(
    scope: Scope,
    component: str,
    part: PodPart,
    container: k8s.core.v1.ContainerArgs,
    *,
    scratch: str,
    after: Sequence[pulumi.Resource],
    timeout_seconds: int | None = None,
    retries: int = 0,
    survives_disruption: bool = False,
    account: Input[str] | None = None,
) -> k8s.batch.v1.Job:
    """Run a pod to completion; `pulumi up` only continues once it has succeeded. A changed pod replaces and reruns the Job.

    Args:
        scope: The deployment.
        component: Which kind of pod; also the resource's name.
        part: What all concerns add to the pod.
        container: What runs in it.
        scratch: Size limit of `/tmp`.
        after: Resources that must exist before.
        timeout_seconds: How long it may take; without a limit if None.
        retries: How many pods may fail before the Job does.
        survives_disruption: Whether a pod that was evicted or whose node was drained does not count as failed.
        account: An account of its own, whose token it gets; that of the servers, without a token, if None.
    """
    disruption = k8s.batch.v1.PodFailurePolicyOnPodConditionsPatternArgs(type="DisruptionTarget", status="True")
    rule = k8s.batch.v1.PodFailurePolicyRuleArgs(action="Ignore", on_pod_conditions=[disruption])
    limit = f"{timeout_seconds + _MARGIN_SECONDS}s" if timeout_seconds is not None else None
    return k8s.batch.v1.Job(
        f"{scope.name}-{component}",
        # A failed Job stays failed; without this, the next `pulumi up` would wait for it again.
        metadata=scope.metadata(component, annotations={"pulumi.com/replaceUnready": "true"}),
        spec=k8s.batch.v1.JobSpecArgs(
            backoff_limit=retries,
            pod_failure_policy=k8s.batch.v1.PodFailurePolicyArgs(rules=[rule]) if survives_disruption else None,
            active_deadline_seconds=timeout_seconds,
            template=_pod(scope, component, part, container, scratch, account=account),
        ),
        opts=scope.options(
            depends_on=list(after), custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit) if limit else None
        ),
    )


def cron_job(
    scope: Scope,
    component: str,
    part: PodPart,
    container: k8s.core.v1.ContainerArgs,
    *,
    scratch: str,
    when: Schedule,
    after: Sequence[pulumi.Resource],
    retries: int = 1,
    affinity: k8s.core.v1.AffinityArgs | None = None,
) -> k8s.batch.v1.CronJob:
    """Run a pod on a schedule, never twice at the same time.

    Args:
        scope: The deployment.
        component: Which kind of pod; also the resource's name.
        part, container, scratch: As for `job`.
        when: Schedule and limits.
        after: Resources that must exist before.
        retries: How many pods of one run may fail before the run does.
        affinity: Where its pods must run; as the arguments say if not given.
    """
    spec = k8s.batch.v1.JobSpecArgs(
        backoff_limit=retries,
        active_deadline_seconds=when.timeout_seconds,
        template=_pod(scope, component, part, container, scratch, affinity),
    )
    labels = k8s.meta.v1.ObjectMetaArgs(labels=scope.labels(component))
    return k8s.batch.v1.CronJob(
        f"{scope.name}-{component}",
        metadata=scope.metadata(component, f"{scope.name}-{component}"),
        spec=k8s.batch.v1.CronJobSpecArgs(
            schedule=when.schedule,
            time_zone=when.time_zone,
            suspend=when.suspend,
            concurrency_policy="Forbid",
            starting_deadline_seconds=when.starting_deadline_seconds,
            successful_jobs_history_limit=when.successful_history,
            failed_jobs_history_limit=when.failed_history,
            job_template=k8s.batch.v1.JobTemplateSpecArgs(metadata=labels, spec=spec),
        ),
        opts=scope.lasting(depends_on=list(after)),
    )


def on_the_node_of(pods: k8s.meta.v1.LabelSelectorArgs) -> k8s.core.v1.AffinityArgs:
    """Where a volume can be mounted that is limited to one node, and that these pods have mounted."""
    term = k8s.core.v1.PodAffinityTermArgs(topology_key="kubernetes.io/hostname", label_selector=pods)
    return k8s.core.v1.AffinityArgs(
        pod_affinity=k8s.core.v1.PodAffinityArgs(required_during_scheduling_ignored_during_execution=[term])
    )


def _pod(
    scope: Scope,
    component: str,
    part: PodPart,
    container: k8s.core.v1.ContainerArgs,
    scratch: str,
    affinity: k8s.core.v1.AffinityArgs | None = None,
    account: Input[str] | None = None,
) -> k8s.core.v1.PodTemplateSpecArgs:
    """A pod that runs to its end, and that nothing is injected into which would go on running, unless the user wants that."""
    pod = scope.args.pod
    metadata = scope.pod_metadata(
        component,
        labels={**_NO_SIDECAR_LABELS, **pod.job_labels},
        annotations={**_NO_SIDECAR_ANNOTATIONS, **pod.job_annotations},
    )
    return template(
        scope,
        part,
        [container],
        metadata=metadata,
        scratch=scratch,
        restart_policy="Never",
        affinity=affinity,
        token=account is not None,
        account=account,
    )
