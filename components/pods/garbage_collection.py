"""What runs beside the server from time to time: the deletion of what users have deleted."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import GarbageCollectionArgs
from .objects import TMP, Scope, image_reference, plain_environment, scratch_mount, scratch_volume, unique
from .stores import Stores
from .tls import client_trust

COMPONENT = "garbage-collection"

# `mlflow gc` reads the database's URI from its command line only, where every user of the node could read it.
_PROGRAM = """
import os, sys
from mlflow.cli import cli
cli(["gc", "--backend-store-uri", os.environ["MLFLOW_BACKEND_STORE_URI"], *sys.argv[1:]])
"""


def garbage_collection(
    scope: Scope,
    stores: Stores,
    args: GarbageCollectionArgs,
    tracking_uri: pulumi.Output[str],
    client: Sequence[k8s.core.v1.EnvVarArgs] = (),
) -> k8s.batch.v1.CronJob:
    """A CronJob that runs `mlflow gc`.

    It deletes rows in the database itself, and artifacts either in the store itself or, where clients go through the
    server, by asking the server.

    Args:
        scope: What the parts have in common.
        stores: The database and the artifacts.
        args: What the user says.
        tracking_uri: Where the server is.
        client: Variables with which clients sign in at the server.
    """
    trust = client_trust(scope)
    line = [f"--older-than={args.older_than}", *(["--all-workspaces"] if args.all_workspaces else [])]
    container = k8s.core.v1.ContainerArgs(
        name="mlflow",
        image=image_reference(scope.args.image),
        image_pull_policy=scope.args.image.pull_policy.value,
        command=["python", "-c", _PROGRAM],
        args=line,
        working_dir=TMP,
        env=unique(
            plain_environment({"MLFLOW_TRACKING_URI": tracking_uri}),
            stores.environment_of("mlflow-gc"),
            trust.environment,
            client,
        ),
        env_from=list(scope.environment_from) or None,
        volume_mounts=[scratch_mount(), *stores.mounts, *trust.mounts],
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests={
                "cpu": args.resources.cpu_request,
                "memory": args.resources.memory_request,
                "ephemeral-storage": "64Mi",
            },
            limits={
                "memory": args.resources.memory_limit,
                **({"cpu": args.resources.cpu_limit} if args.resources.cpu_limit else {}),
            },
        ),
        security_context=scope.container_security(),
        termination_message_policy="FallbackToLogsOnError",
    )
    pod = scope.pod_spec(
        restart_policy="Never",
        init_containers=[*stores.init_containers] or None,
        containers=[container],
        volumes=[scratch_volume("256Mi"), *stores.pod_volumes, *trust.volumes],
        affinity=_beside_the_server(scope) if stores.exclusive else None,
    )
    return k8s.batch.v1.CronJob(
        f"{scope.name}-garbage-collection",
        metadata=scope.metadata(COMPONENT),
        spec=k8s.batch.v1.CronJobSpecArgs(
            schedule=args.schedule,
            time_zone=args.time_zone,
            suspend=args.suspend,
            concurrency_policy="Forbid",
            starting_deadline_seconds=args.starting_deadline_seconds,
            successful_jobs_history_limit=args.successful_history,
            failed_jobs_history_limit=args.failed_history,
            job_template=k8s.batch.v1.JobTemplateSpecArgs(
                metadata=k8s.meta.v1.ObjectMetaArgs(labels=scope.labels(COMPONENT)),
                spec=k8s.batch.v1.JobSpecArgs(
                    # What one run leaves, for whatever reason, the next one finds again.
                    backoff_limit=1,
                    active_deadline_seconds=args.timeout_seconds,
                    template=k8s.core.v1.PodTemplateSpecArgs(metadata=scope.pod_metadata(COMPONENT), spec=pod),
                ),
            ),
        ),
        opts=scope.options(),
    )


def _beside_the_server(scope: Scope) -> k8s.core.v1.AffinityArgs:
    """A volume of one node can be mounted by more pods of that node."""
    return k8s.core.v1.AffinityArgs(
        pod_affinity=k8s.core.v1.PodAffinityArgs(
            required_during_scheduling_ignored_during_execution=[
                k8s.core.v1.PodAffinityTermArgs(
                    topology_key="kubernetes.io/hostname",
                    label_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=scope.selector()),
                )
            ]
        )
    )
