"""Preflight: one pod that starts the new image before anything is changed for it."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from .containers import mlflow_container
from .jobs import job
from .part import PodPart
from .scope import Scope

_COMPONENT = "preflight"


def preflight(scope: Scope, after: Sequence[pulumi.Resource]) -> k8s.batch.v1.Job:
    """Start the image once, where and as the server's pods start, and fail soon if that does not work.

    A migration may take an hour, so its Job cannot tell an image that is not there from one that works; and a server that must stop
    before the next one starts would be stopped for nothing. It asks for as much as the migration, whose Job would wait for room, or for
    a quota, as long as a migration may take; and for little without one, since the old server may still be there.

    Args:
        scope: The deployment.
        after: Resources that must exist before.
    """
    resources = scope.args.resources
    container = mlflow_container(
        scope,
        _COMPONENT,
        PodPart(),
        resources.migration if scope.args.database.kind.server else resources.helpers,
        command=["python", "-c", "pass"],
    )
    return job(
        scope,
        _COMPONENT,
        PodPart(),
        container,
        scratch="16Mi",
        after=after,
        timeout_seconds=scope.args.server.progress_deadline_seconds,
        survives_disruption=True,
    )
