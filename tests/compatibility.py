"""Writes `docs/compatibility.md` from components/versions.py, requirements.lock and the arguments.

`python -m tests.compatibility --write`, which `make bump` runs; a unit test compares the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path

from components import versions
from components.arguments.database import aws, azure, gcp
from tests.documents import keep
from toolchain import environments

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "compatibility.md"

HEAD = """# Compatibility

Written by `make bump` from [`components/versions.py`](../components/versions.py), `requirements.lock` and the arguments. *Tested* is what
the tests run; *supported* is what a bug report may be about; *refused* stops a preview, an update or an installation.
"""

IMAGES = """
## Images

| argument | default | digest |
|---|---|---|
"""

PINNING = """
Defaults are pinned by a full version, not by digest ([why](decisions/0018-one-file-of-versions.md)). The publisher may build the image of
a version again, with newer packages of its distribution. To pin what runs, append a digest: `image.digest` for MLflow, and
`image: …:version@sha256:…` for the others. The digests above are of the multi-platform index when the version was chosen; check them against
the registry. Where no registry answers, `make` builds images of Debian packages under the same name; their
minor version is Debian's.
"""

DATABASES = """
## Databases

| argument | engine | supported | default |
|---|---|---|---|
"""

DATABASES_TAIL = """
A version that is not listed is refused, and so is one older than the running one. Managed databases keep their minor version current
automatically. `database.postgresql`, `mysql`, `mssql` and `uri` take any version that MLflow's drivers take; the tests use the servers of the
machine's Debian release. A MySQL that forbids triggers is refused by the migration.
"""


def versions_table() -> Iterable[Sequence[str]]:
    """What the component runs on: name, tested, supported, refused."""
    minor = versions.MLFLOW.rpartition(".")[0]
    yield (
        "MLflow",
        versions.MLFLOW,
        f"{minor}; other versions by `image.tag`, untested",
        "an official image without `-full` where it lacks a driver or client; an image older than the database's schema",
    )
    yield (
        "Kubernetes",
        f"{versions.KUBERNETES}; objects also by the schemas of {', '.join(versions.KUBERNETES_SCHEMAS)}",
        f"{versions.KUBERNETES_MINIMUM} or newer",
        "nothing; older clusters lack the `sleep` action that drains the proxy of `auth.oidc`",
    )
    cli = versions.PULUMI_CLI_MINIMUM
    yield "Pulumi CLI", versions.PULUMI_CLI, f"{cli} or newer", "older ones (`Pulumi.yaml`)"
    for name, allowed in versions.REQUIREMENTS.items():
        yield f"`{name}`", environments.locked(name), f"`{allowed}`", "others, by pip"


ARGUMENTS = {
    "image": versions.MLFLOW_IMAGE,
    "database.inClusterPostgresql.image": versions.POSTGRESQL_IMAGE,
    "database.inClusterMysql.image": versions.MARIADB_IMAGE,
    "artifacts.minio.image": versions.MINIO_IMAGE,
    "auth.ldap.image": versions.HTTPD_IMAGE,
    "auth.oidc.image": versions.OAUTH2_PROXY_IMAGE,
    "backup.artifactsImage": versions.RCLONE_IMAGE,
    "backup.continuous.image": versions.LITESTREAM_IMAGE,
    "backup.continuous.image, of PostgreSQL": versions.PGBACKREST_IMAGE,
}
"""The image that each argument names by default."""


def databases_table() -> Iterable[Sequence[str]]:
    """Managed databases: argument, engine, supported versions, default."""
    known: Mapping[str, tuple[Mapping[Enum, tuple[str, ...]], Mapping[Enum, str]]] = {
        "database.rds": (aws.RDS_VERSIONS, {engine: found[-1] for engine, found in aws.RDS_VERSIONS.items()}),
        "database.aurora": (aws.AURORA_VERSIONS, {engine: found[-1] for engine, found in aws.AURORA_VERSIONS.items()}),
        "database.cloudSql": (gcp.VERSIONS, gcp.DEFAULT_VERSIONS),
        "database.azureFlexibleServer": (azure.VERSIONS, azure.DEFAULT_VERSIONS),
    }  # type: ignore[assignment]
    for argument, (supported, default) in known.items():
        for engine, found in supported.items():
            yield f"`{argument}`", f"`{engine.value}`", ", ".join(sorted(found)), default[engine]


def render() -> str:
    """The document."""
    images = (
        (f"`{argument}`", f"`{image}`", f"`{versions.IMAGES[image]}`" if versions.IMAGES[image] else "none verified")
        for argument, image in ARGUMENTS.items()
    )
    first = "\n|  | tested | supported | refused |\n|---|---|---|---|\n"
    tables = (first, _rows(versions_table()), IMAGES, _rows(images), PINNING, DATABASES, _rows(databases_table()))
    return HEAD + "".join(tables) + DATABASES_TAIL


def _rows(rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


if __name__ == "__main__":
    sys.exit(keep(DOCUMENT, lambda _: render(), "tests.compatibility"))
