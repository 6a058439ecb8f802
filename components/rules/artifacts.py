"""Artifacts: servers that serve nothing else, and workspaces."""

from collections.abc import Iterator
from typing import Any

from ..arguments import MlflowDeploymentArgs, NoDatabaseArgs
from ..arguments.base import Path, Problem, plain


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """A server has a database unless it only serves artifacts."""
    chosen = args.database.chosen
    if not args.server.artifacts_only:
        if args.database.none is not None:
            message = "a tracking server needs a database"
            yield Problem(("database", "none"), message, "choose one, or set server.artifactsOnly: true")
    else:
        if chosen is not None and not isinstance(chosen[1], NoDatabaseArgs):
            message = "is given, but a server with server.artifactsOnly must have no database"
            yield Problem(("database", chosen[0]), message, "write database: {none: {}}")
        refused = {
            ("artifacts", "proxied"): not args.artifacts.proxied,
            ("artifacts", "default_root"): args.artifacts.default_root is not None,
            ("server", "job_execution"): args.server.job_execution,
            ("database", "registry"): args.database.registry is not None,
        }
        for path in (path for path, wrong in refused.items() if wrong):
            yield Problem(path, "makes no sense with server.artifactsOnly, which has no experiments", "remove it")
    yield from _workspaces(args)


def _workspaces(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    workspaces = args.server.workspaces
    if workspaces is None:
        return
    if args.server.artifacts_only and workspaces.store_uri is None:
        message = "has nowhere to look workspaces up, since a server with server.artifactsOnly has no database"
        yield Problem(("server", "workspaces"), message, "give server.workspaces.storeUri")
    roots: dict[Path, Any] = {("artifacts", "default_root"): args.artifacts.default_root}
    if not args.artifacts.proxied and args.artifacts.chosen is not None:
        name, kind = args.artifacts.chosen
        roots["artifacts", name, "prefix"] = getattr(kind, "prefix", None)
    for path, root in roots.items():
        known = plain(root)
        # https://github.com/mlflow/mlflow/blob/v3.17.2/mlflow/store/tracking/sqlalchemy_workspace_store.py
        if isinstance(known, str) and "workspaces" in known.rstrip("/").split("/")[-2:]:
            message = f"{known!r} holds the folder 'workspaces', under which MLflow keeps the roots of workspaces"
            yield Problem(path, message, "use another name")
