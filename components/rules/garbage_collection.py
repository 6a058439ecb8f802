"""Garbage collection: what `mlflow gc` can find and delete."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem, plain


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """What cannot be deleted, or not found."""
    collection = args.garbage_collection
    if collection is None:
        return
    if args.database.none is not None:
        message = "finds in the database what was deleted, and there is none"
        yield Problem(("garbage_collection",), message, "move it to the deployment that has the database")
    if collection.all_workspaces and args.server.workspaces is None:
        message = "covers workspaces, and the server has none"
        yield Problem(("garbage_collection", "all_workspaces"), message, "remove it, or switch server.workspaces on")
    # https://github.com/mlflow/mlflow/blob/v3.17.2/mlflow/store/artifact/ftp_artifact_repo.py
    uri = args.artifacts.uri
    roots = [plain(args.artifacts.default_root), plain(uri.uri) if uri is not None else None]
    if args.artifacts.ftp is not None or any(str(root).startswith("ftp:") for root in roots):
        message = "would stop at the first run: MLflow deletes nothing on FTP servers"
        yield Problem(("garbage_collection",), message, "remove it, or keep artifacts elsewhere, for example on SFTP")
