"""Container images where no registry can be reached: built from package sources under the same reference.

What is built holds the packages of the official image but is not the official image, so nothing may depend on what
only ours has. Where a registry answers, the cluster pulls the official one and nothing here is used.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from toolchain import paths, versions
from toolchain.bare import wheels
from toolchain.bare.images import mlflow
from toolchain.bare.images.mlflow import MlflowImage
from toolchain.bare.images.packages import DebianImage
from toolchain.bare.images.programs import GoImage
from toolchain.console import UserError, say, step
from toolchain.files import write

if TYPE_CHECKING:
    from toolchain.cluster import Cluster


class Recipe(Protocol):
    """How to build an image."""

    @property
    def expect(self) -> str:
        """Roughly how long it takes."""
        ...

    def content(self) -> list[str]:
        """What the image is made of; another content is another image."""
        ...

    def build(self, reference: str, folder: Path) -> None:
        """Make the archive `image.tar` in a folder that may hold parts of an interrupted build."""
        ...


_FILES = Path(__file__).resolve().parent / "recipes"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POSTGRESQL = versions.POSTGRESQL.partition(".")[0]
_POSTGRESQL_FOLDER = f"/usr/lib/postgresql/{_POSTGRESQL}"

RECIPES: Mapping[str, Recipe] = {
    versions.MLFLOW_IMAGE: MlflowImage(mlflow.LOCK),
    versions.MINIO_IMAGE: GoImage("minio", "/usr/bin/minio", cmd=("minio",)),
    versions.OAUTH2_PROXY_IMAGE: GoImage("oauth2-proxy", "/bin/oauth2-proxy", user="65532:65532"),
    versions.LITESTREAM_IMAGE: DebianImage(
        packages=("ca-certificates", "sqlite3"),
        account="litestream",
        uid=1000,
        check=("litestream", "version"),
        programs={"usr/local/bin/litestream": wheels.LITESTREAM},
        env={"PATH": _PATH},
        entrypoint=("/usr/local/bin/litestream",),
    ),
    versions.RCLONE_IMAGE: DebianImage(
        packages=("ca-certificates",),
        account="rclone",
        uid=1009,
        check=("rclone", "version"),
        programs={"usr/local/bin/rclone": wheels.RCLONE},
        env={"PATH": _PATH},
        entrypoint=("rclone",),
    ),
    versions.PGBACKREST_IMAGE: DebianImage(
        packages=("pgbackrest", "ca-certificates"),
        account="pgbackrest",
        uid=2001,
        check=("pgbackrest", "version"),
        env={"PATH": _PATH},
        cmd=("pgbackrest", "version"),
    ),
    versions.POSTGRESQL_IMAGE: DebianImage(
        packages=(f"postgresql-{_POSTGRESQL}", "libnss-wrapper"),
        account="postgres",
        uid=999,
        check=(f"{_POSTGRESQL_FOLDER}/bin/postgres", "--version"),
        files=_FILES / "postgres",
        folders=("run/postgresql", "var/lib/postgresql/data", "docker-entrypoint-initdb.d"),
        # Just-in-time compilation, of which the server does without.
        without=(
            "usr/lib/*/libLLVM*",
            f"{_POSTGRESQL_FOLDER[1:]}/lib/llvmjit*",
            f"{_POSTGRESQL_FOLDER[1:]}/lib/bitcode",
        ),
        env={
            "PATH": f"{_PATH}:{_POSTGRESQL_FOLDER}/bin",
            "LANG": "C.UTF-8",
            "PGDATA": "/var/lib/postgresql/data",
            "PG_MAJOR": _POSTGRESQL,
        },
        entrypoint=("docker-entrypoint.sh",),
        cmd=("postgres",),
    ),
    versions.MARIADB_IMAGE: DebianImage(
        packages=("mariadb-server", "mariadb-client", "procps"),
        account="mysql",
        uid=999,
        check=("mariadbd", "--version"),
        files=_FILES / "mariadb",
        folders=("run/mysqld", "var/lib/mysql", "docker-entrypoint-initdb.d"),
        env={"PATH": _PATH, "LANG": "C.UTF-8"},
        entrypoint=("docker-entrypoint.sh",),
        cmd=("mariadbd",),
    ),
    versions.RESTIC_IMAGE: DebianImage(
        packages=("restic", "openssh-client", "ca-certificates", "tar"),
        account="restic",
        uid=1000,
        check=("restic", "version"),
        # Where programs in Go look as well: the package's own script would have made one file of them in /etc/ssl/certs.
        links={"etc/pki/tls/certs": "/usr/share/ca-certificates/mozilla"},
        env={"PATH": _PATH},
        entrypoint=("/usr/bin/restic",),
    ),
    versions.HTTPD_IMAGE: DebianImage(
        packages=("apache2-bin", "apache2-utils", "libaprutil1-ldap", "media-types"),
        account="www-data",
        uid=33,
        check=("/usr/local/apache2/bin/httpd", "-V"),
        files=_FILES / "httpd",
        folders=("usr/local/apache2/logs",),
        links={
            "usr/local/apache2/modules": "/usr/lib/apache2/modules",
            "usr/local/apache2/conf/mime.types": "/etc/mime.types",
            "usr/local/apache2/bin/htpasswd": "/usr/bin/htpasswd",
        },
        env={
            "PATH": f"/usr/local/apache2/bin:{_PATH}",
            "HTTPD_PREFIX": "/usr/local/apache2",
        },
        cmd=("httpd-foreground",),
    ),
}
"""How to build each image that can be built, by its official name as the component's defaults spell it."""


def ensure(reference: str, cluster: Cluster) -> None:
    """See to it that the cluster has an image or can pull it; else build it and load it into the cluster.

    Args:
        reference: Full image name with registry and tag.
        cluster: Cluster that is to run it.

    Raises:
        UserError: The cluster is one of our own, and the image can neither be pulled nor built.
    """
    # A cluster of the user's own may reach registries that this machine does not.
    if not cluster.ours or (cluster.has_image(reference) and not _outdated(reference)) or registry_answers(reference):
        return
    made = archive(reference)
    with step(f"loading {reference} into the cluster", "up to half a minute"):
        cluster.load_image(made)
    write(_loaded(reference), _key(reference, RECIPES[reference]))


def fetch(reference: str) -> None:
    """Build an image that will be needed and cannot be pulled, beside other work.

    Raises:
        UserError: It cannot be built.
    """
    if not registry_answers(reference):
        archive(reference)


def registry_answers(reference: str, timeout: float = 5) -> bool:
    """Whether the registry that an image reference names answers this machine, whatever it answers.

    Args:
        reference: Image name.
        timeout: Seconds to wait.
    """
    first, slash, _ = reference.partition("/")
    if not slash or not (first == "localhost" or "." in first or ":" in first):
        return True  # names no registry: what that means is the cluster's to know
    url = f"https://{first}/v2/"
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            return True
    except urllib.error.HTTPError:
        return True  # 401 is the usual answer to someone who is not logged in
    except (OSError, ValueError):  # ValueError: not a host name
        return False


def archive(reference: str) -> Path:
    """The archive of an image, built if it is not in the cache; finished parts of an interrupted build are kept.

    Raises:
        UserError: Nothing is known about how to build the image, or building it failed.
    """
    recipe = RECIPES.get(reference)
    if recipe is None:
        raise UserError(
            f"image {reference}: the cluster does not have it, its registry does not answer, and only "
            f"{_listed(RECIPES)} can be built here",
            "Load the image into the cluster, or name one in a registry that this machine reaches.",
        )
    folder = paths.cache("images", _key(reference, recipe))
    image = folder / "image.tar"
    if image.exists():
        return image
    if os.geteuid() != 0:
        raise UserError(
            f"cannot pull {reference}, and building it needs root", "Use a cluster that can pull it, or run as root."
        )
    with paths.lock(f"image-{folder.name}", f"building {reference}"):
        if not image.exists():
            say(f"  the registry of {reference} does not answer: building it from packages, {recipe.expect}")
            folder.mkdir(parents=True, exist_ok=True)
            recipe.build(reference, folder)
    return image


def _key(reference: str, recipe: Recipe) -> str:
    return hashlib.sha256("\n".join([*recipe.content(), reference]).encode()).hexdigest()[:16]


def _outdated(reference: str) -> bool:
    """Whether the cluster's image was built here, of another content than it would be now."""
    loaded, recipe = _loaded(reference), RECIPES.get(reference)
    return recipe is not None and loaded.exists() and loaded.read_text() != _key(reference, recipe)


def _loaded(reference: str) -> Path:
    """Where it is written down of which content the cluster's image was built."""
    return paths.state("images", hashlib.sha256(reference.encode()).hexdigest()[:16])


def _listed(references: Iterable[str]) -> str:
    return ", ".join(sorted(references))
