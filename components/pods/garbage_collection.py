"""Garbage collection: a CronJob that permanently deletes what users have deleted."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import GarbageCollectionArgs
from ..contracts import Files
from ..in_image import Program
from ..labels import GARBAGE_COLLECTION
from .containers import mlflow_container
from .environment import plain_environment
from .jobs import cron_job, on_the_node_of
from .part import PodPart, join
from .scope import Scope
from .tls import client_trust
from .volumes import TMP, files

_DIRECTORY = "/etc/mlflow/garbage-collection"
_PROGRAM = Program("collect_garbage.py")


def garbage_collection(
    scope: Scope,
    args: GarbageCollectionArgs,
    stores: PodPart,
    client: PodPart,
    *,
    exclusive: bool,
    after: Sequence[pulumi.Resource],
) -> k8s.batch.v1.CronJob:
    """A CronJob that runs `mlflow gc`.

    It deletes rows directly in the database, and artifacts directly in the store or, if artifacts are proxied, through the
    server.

    Args:
        scope: The deployment.
        args: When to run, and what to delete.
        stores: The database and the artifacts.
        client: How to reach the server and log in.
        exclusive: Whether the stores are on volumes that only one node can mount.
        after: Resources that must exist before: the schema is migrated, and the server answers.
    """
    program = Files(name=GARBAGE_COLLECTION, directory=_DIRECTORY, plain=_PROGRAM.files)
    part = join(stores, client, files(scope, GARBAGE_COLLECTION, program))
    container = mlflow_container(
        scope,
        "mlflow",
        part,
        args.resources,
        command=["python", f"{_DIRECTORY}/{_PROGRAM.name}"],
        arguments=[f"--older-than={args.older_than}", *(["--all-workspaces"] if args.all_workspaces else [])],
        user=scope.user,
        disk="64Mi",
        working_dir=TMP,
    )
    return cron_job(
        scope,
        GARBAGE_COLLECTION,
        part,
        container,
        scratch="256Mi",
        affinity=on_the_node_of(k8s.meta.v1.LabelSelectorArgs(match_labels=scope.selector())) if exclusive else None,
        # What one run leaves behind, for whatever reason, the next one deletes.
        when=args,
        after=after,
    )


def client(scope: Scope, tracking_uri: pulumi.Output[str], sign_in: PodPart) -> PodPart:
    """What an MLflow client in the cluster needs to reach the server.

    Args:
        scope: The deployment.
        tracking_uri: Where the server is.
        sign_in: Variables with which clients log in.
    """
    address = PodPart(environment=plain_environment({"MLFLOW_TRACKING_URI": tracking_uri}))
    return join(address, client_trust(scope), sign_in)
