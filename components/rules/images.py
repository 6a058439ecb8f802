"""The MLflow image must contain what the chosen kinds need."""

from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from .. import versions
from ..arguments import MlflowDeploymentArgs, SqlServerArgs
from ..arguments.base import Problem, plain, walk
from ..arguments.database.uri import ALLOWED, DRIVERS, DatabaseUri, unknown_driver
from ..arguments.kinds import MlflowImage


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Only for the official images: nothing is known about others."""
    if plain(args.image.repository) != versions.MLFLOW_REPOSITORY:
        return
    needed = [kind.mlflow_image for _, _, kind in args.kinds]
    tag = plain(args.image.tag)
    # A separate registry is always a database server.
    full = args.database.registry is not None or any(image >= MlflowImage.FULL for image in needed)
    # MLflow exports metrics by prometheus-flask-exporter, of its extras.
    full = full or args.monitoring.prometheus
    if full and isinstance(tag, str) and not tag.endswith("-full"):
        yield Problem(
            ("image", "tag"),
            f"{tag!r} is the official base image, which holds no database driver, no cloud client, no log-in and no metrics",
            f"use '{tag}-full'",
        )
    for block, name, kind in args.kinds:
        if kind.mlflow_image is MlflowImage.CUSTOM:
            message = f"the official images do not contain {kind.not_in_images}, which {block}.{to_camel(name)} needs"
            fix = "name an image of your own that adds it to one of them"
            yield Problem(("image", "repository"), message, fix)
    yield from _drivers(args)


def _drivers(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    for path, block in walk(args):
        field, driver = "value", unknown_driver(block) if isinstance(block, DatabaseUri) else None
        if isinstance(block, SqlServerArgs) and block.driver.value not in DRIVERS["mssql"]:
            field, driver = "driver", block.driver.value
        if driver:
            yield Problem(
                (*path, field),
                f"has the driver {driver!r}, which MLflow's official image does not hold",
                f"use one of: {ALLOWED}; or name an image of your own that holds it in image.repository",
            )
