"""pgBackRest beside a PostgreSQL server of this deployment: what is written to it is in the place of backups seconds later.

PostgreSQL runs its commands where the server is, whose image has no pgBackRest. They therefore only wait for a sidecar that has, by files
on a volume of the pod: each segment of the log has a name of its own and a content that never changes, so that a file which an interrupted
command left behind cannot mean anything else. Nothing counts as archived before pgBackRest has said so.

Before the server starts, an init container restores a database that is not there, so that a lost volume comes back by itself. One that is
there is never touched, and then nothing is asked of the place of backups either. Drills look through what is archived.
"""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from .. import versions
from ..arguments import BackupContinuousArgs, Input
from ..contracts import Files, SecretValue, Storage, StorageKind
from ..pods.backup_place import BackupPlace
from ..pods.containers import container
from ..pods.environment import plain_environment, secret_environment
from ..pods.part import PodPart, join
from ..pods.scope import Scope
from ..pods.volumes import TMP, files
from . import archive_scripts

USER = 999
"""Numeric user id in the official images of servers."""

_DATABASE = "database"
_STANZA = "mlflow"
_INTERVAL = 2
"""Seconds. PostgreSQL looks at whole ones, and a segment takes up to one to arrive, so that all in all fewer than five are lost."""
_UNSENT_MINUTES = 2
"""Age of a segment from which on the sidecar counts as stuck."""


class Archive:
    """pgBackRest at the place of backups, which the server's pod writes to and drills read."""

    def __init__(self, scope: Scope, args: BackupContinuousArgs, backups: BackupPlace) -> None:
        """To be made once.

        Args:
            scope: The deployment.
            args: The block.
            backups: The place of backups.
        """
        place = backups.destination
        self._scope, self._args, self._reach = scope, args, backups.reach
        hidden: dict[str, SecretValue] = {**_secrets(place), "PGBACKREST_REPO1_CIPHER_PASS": backups.password}
        self._inside = PodPart(
            environment=[
                *secret_environment(scope, "archive-login", _DATABASE, hidden),
                *plain_environment({"HOME": TMP, **_settings(args), **_repository(scope, place)}),
            ],
            mounts=backups.reach.mounts,
        )
        self.on_volume = bool(place.volumes)
        """Whether files at the place belong to users of pods."""

    def server(self, data: PodPart) -> PodPart:
        """What the server's pod needs for it; the arguments are the server's.

        Args:
            data: Mounts of the server's claim, and of the folder of its socket.
        """
        scripts = {
            "login.sh": archive_scripts.LOGIN,
            "restore.sh": archive_scripts.RESTORE,
            "fetch.sh": archive_scripts.FETCH,
            "archive.sh": archive_scripts.ARCHIVE,
            "backup.sh": archive_scripts.BACKUP,
        }
        shipped = files(self._scope, _DATABASE, Files(name="archive", directory=archive_scripts.SCRIPTS, plain=scripts))
        # Room for segments that the server asks for, of which there is one at a time.
        shared = k8s.core.v1.VolumeArgs(
            name="pgbackrest", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit="1Gi")
        )
        mounts = [*shipped.mounts, k8s.core.v1.VolumeMountArgs(name="pgbackrest", mount_path=archive_scripts.SHARED)]

        def runs(name: str, script: str, probe: str = "", **environment: str) -> k8s.core.v1.ContainerArgs:
            stuck = k8s.core.v1.ExecActionArgs(command=["sh", "-c", probe])
            # So slowly that Kubernetes does not wait longer from one time to the next before it starts the container again. What is
            # started again at all is what the alert tells.
            alive = k8s.core.v1.ProbeArgs(exec_=stuck, period_seconds=60, timeout_seconds=10, failure_threshold=10)
            return self._pgbackrest(
                name,
                ["sh", f"{archive_scripts.SCRIPTS}/{script}"],
                PodPart(environment=plain_environment(environment), mounts=[*mounts, *data.mounts]),
                **({"restart_policy": "Always", "liveness_probe": alive} if probe else {}),
            )

        unsent = (
            f"find {archive_scripts.PGDATA}/pg_wal/archive_status -name '*.ready' -mmin +{_UNSENT_MINUTES} 2>/dev/null"
        )
        recent = f"find {archive_scripts.SHARED}/backed-up -mmin -{3 * 60 * archive_scripts.BACKUP_HOURS}"
        containers = [
            runs("restore", "restore.sh", PGBACKREST_LOG_LEVEL_CONSOLE="info", PGBACKREST_PROCESS_MAX="4"),
            runs("archive", "archive.sh", f'[ -z "$({unsent})" ]', PGBACKREST_LOG_LEVEL_CONSOLE="warn"),
            runs("base-backup", "backup.sh", f'[ -n "$({recent})" ]', PGBACKREST_LOG_LEVEL_CONSOLE="info"),
        ]
        return PodPart(
            arguments=[
                *("-c", "archive_mode=on"),
                *("-c", f"archive_command={archive_scripts.COMMAND}"),
                *("-c", f"archive_timeout={self._args.interval_seconds or _INTERVAL}"),
                # Else clients would be served an old state while the server recovers.
                *("-c", "hot_standby=off"),
            ],
            mounts=mounts,
            volumes=[*shipped.volumes, shared, *self._reach.volumes],
            init_containers=containers,
            network=self._reach.network,
        )

    def drill(self) -> PodPart:
        """What the pods of drills need, which reach the place of backups already: a container that looks through the archive."""
        more = PodPart(environment=plain_environment({"PGBACKREST_PROCESS_MAX": "4"}))
        # On a volume, pgBackRest lets its own user read its files, and a group that is not of MLflow's pods.
        user = USER if self.on_volume else None
        return PodPart(
            init_containers=[
                self._pgbackrest("continuous-database", ["sh", "-c", archive_scripts.VERIFY], more, user=user)
            ]
        )

    def _pgbackrest(self, name: str, command: Sequence[str], more: PodPart, **rest: Any) -> k8s.core.v1.ContainerArgs:
        return container(
            self._scope,
            name,
            join(self._inside, more),
            self._args.resources,
            image=self._args.image or versions.PGBACKREST_IMAGE,
            command=command,
            disk="256Mi",
            **rest,
        )


def _settings(args: BackupContinuousArgs) -> dict[str, Input[str]]:
    """pgBackRest's settings apart from the place: https://pgbackrest.org/configuration.html."""
    return {
        "PGBACKREST_STANZA": _STANZA,
        "PGBACKREST_PG1_PATH": archive_scripts.PGDATA,
        "PGBACKREST_PG1_SOCKET_PATH": archive_scripts.SOCKET,
        "PGBACKREST_PG1_USER": "postgres",
        "PGBACKREST_LOCK_PATH": f"{archive_scripts.SHARED}/lock",
        "PGBACKREST_LOG_LEVEL_FILE": "off",
        "PGBACKREST_LOG_TIMESTAMP": "n",
        "PGBACKREST_COMPRESS_TYPE": "zst",
        # Without waiting for the next checkpoint of the server.
        "PGBACKREST_START_FAST": "y",
        # Small files together, since each object of a bucket is a request.
        "PGBACKREST_REPO1_BUNDLE": "y",
        "PGBACKREST_REPO1_CIPHER_TYPE": "aes-256-cbc",
        "PGBACKREST_REPO1_RETENTION_FULL_TYPE": "time",
        "PGBACKREST_REPO1_RETENTION_FULL": str(args.retention_days),
    }


def _repository(scope: Scope, place: Storage) -> dict[str, Input[str]]:
    """The place, with a folder of this deployment's own, since two servers must not write to one."""
    own = f"continuous/{scope.args.namespace}/{scope.name}/postgresql"
    path = pulumi.Output.from_input(place.path).apply(lambda root: f"/{root.strip('/')}/{own}" if root else f"/{own}")
    found: dict[str, Input[str] | None] = {"PATH": path}
    match place.kind:
        case StorageKind.S3:
            found |= {
                "TYPE": "s3",
                "S3_BUCKET": place.bucket,
                "S3_ENDPOINT": place.endpoint,
                # It signs for a region, also where an endpoint has none.
                "S3_REGION": place.region if place.region is not None else "us-east-1",
                "S3_URI_STYLE": "path" if _by_path(scope, place) else "host",
            }
        case StorageKind.GCS:
            key = place.environment.get("GOOGLE_APPLICATION_CREDENTIALS")
            found |= {"TYPE": "gcs", "GCS_BUCKET": place.bucket, "GCS_KEY": key}
            found["GCS_KEY_TYPE"] = "auto" if key is None else "service"
        case StorageKind.AZURE:
            found |= {"TYPE": "azure", "AZURE_CONTAINER": place.bucket, "AZURE_ACCOUNT": place.account}
            found["AZURE_ENDPOINT"] = place.domain
        case StorageKind.SFTP:
            found |= {
                "TYPE": "sftp",
                "SFTP_HOST": place.host,
                "SFTP_HOST_PORT": pulumi.Output.from_input(place.port).apply(str),
                "SFTP_HOST_USER": place.username,
                "SFTP_HOST_KEY_HASH_TYPE": "sha256",
                "SFTP_KNOWN_HOST": place.file("known_hosts"),
                "SFTP_PRIVATE_KEY_FILE": place.file("id"),
            }
        case StorageKind.VOLUME:
            found["TYPE"] = "posix"
    found["STORAGE_CA_FILE"] = place.file("ca.pem")
    return {f"PGBACKREST_REPO1_{name}": value for name, value in found.items() if value is not None}


def _by_path(scope: Scope, place: Storage) -> bool:
    """Whether requests name the bucket in their path: unless told, where the service may have no name for each bucket."""
    if place.path_style is not None or scope.args.backup is None or scope.args.backup.destination.s3 is None:
        return bool(place.path_style)
    return scope.args.backup.destination.s3.endpoint_url is not None


def _secrets(place: Storage) -> Mapping[str, SecretValue]:
    """Keys of the place under the names that pgBackRest reads."""
    names = {
        "AWS_ACCESS_KEY_ID": "PGBACKREST_REPO1_S3_KEY",
        "AWS_SECRET_ACCESS_KEY": "PGBACKREST_REPO1_S3_KEY_SECRET",
        "AZURE_ACCOUNT_KEY": "PGBACKREST_REPO1_AZURE_KEY",
    }
    return {names[name]: value for name, value in place.secret_environment.items()}
