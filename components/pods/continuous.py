"""Litestream beside a server on SQLite: what is written to a database is in the place of backups about a second later.

It adds to the server's pod on both sides of the migration. Before it, an init container restores each database whose file is missing,
so that a lost volume comes back by itself. A file that is there is never touched, and then nothing is asked of the place of backups
either: a server starts whether that answers or not. After it, a sidecar sends what changes. As one of Kubernetes' own kind it starts
before the server and stops after it, and so sends the last changes too.
"""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from .. import versions
from ..arguments import BackupContinuousArgs, Input
from ..arguments.artifacts.sftp import host_keys
from ..contracts import Storage, StorageKind, in_uri
from .backend_store import BackendStore
from .backup_place import BackupPlace
from .containers import container
from .environment import plain_environment, secret_environment
from .part import PodPart, join
from .scope import Scope
from .volumes import config_map, config_volume, read_only

_CONFIGURATION = "/etc/mlflow/continuous"
_FILE = "litestream.yml"
_STATE = "/mlflow/continuous"
"""Changes that are not yet sent. Not on the database's claim: while the place of backups does not answer they grow, and would fill it."""

_INTERVAL = 1
"""Seconds from one look for changes to the next."""

_CHECKPOINT_PAGES = "10000"
"""Length of the write-ahead log at which the server copies it into the database itself; SQLite's own default is 1000. Litestream, which does
so at 1000 (https://litestream.io/guides/wal-truncate-threshold), asks that others do not interfere, with this value
(https://github.com/benbjohnson/litestream/blob/v0.5.17/docs/SQLITE_INTERNALS.md). Where it does not run, 40 MB are the end."""

_REPLICATE = """for file in "$@"; do
  left=30
  while [ -f "$file" ]; do
    case $(sqlite3 -cmd '.timeout 10000' "$file" 'PRAGMA wal_checkpoint(TRUNCATE);') in "0|"*) break ;; esac
    left=$((left - 1))
    if [ "$left" -eq 0 ]; then echo "$file stays busy" >&2; exit 1; fi
    sleep 1
  done
done
exec litestream replicate {options}
"""
"""Empties the write-ahead log first, upon which Litestream sends the whole database. It would otherwise go on where it was, and may have
missed a part: while it was away, the server may have written to the end of the log, and started it anew, over frames that Litestream still
finds where it left them (`lastPageMatch`, https://github.com/benbjohnson/litestream/blob/v0.5.9/db.go). What it sends after that is of
no use. Tried again, since SQLite waits for readers and writers, but not for the server's own checkpoint:
https://www.sqlite.org/c3ref/wal_checkpoint_v2.html."""


_NOTHING = PodPart()


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """What continuous backups add to pods.

    Attributes:
        restoring: To the server's, before the migration.
        replicating: To the server's, after it.
        rehearsing: To those of drills, given a mount with room for the databases, and how much of their node's disk containers may
            write to it: what was sent is restored there, and looked through.
    """

    restoring: PodPart = _NOTHING
    replicating: PodPart = _NOTHING
    rehearsing: Callable[[k8s.core.v1.VolumeMountArgs, str | None], PodPart] = lambda *_: _NOTHING


def continuous(scope: Scope, backups: BackupPlace, databases: Mapping[str, str], store: BackendStore) -> Continuous:
    """What it adds, which is nothing where it is not asked for.

    Args:
        scope: The deployment.
        backups: The place of backups.
        databases: Paths of the files, by what they hold.
        store: The backend store, whose claim holds them.
    """
    args = scope.args.backup.continuous if scope.args.backup is not None else None
    if args is None:
        return Continuous()
    place, reach = backups.destination, backups.reach
    settings = pulumi.Output.json_dumps(_configuration(scope, args, place, databases))  # JSON is YAML
    made = config_map(scope, "continuous", "server", {_FILE: settings})
    unsent = k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit=args.scratch_size)
    configuration = config_volume("continuous-config", made)
    inside = PodPart(
        # Secrets first, since Kubernetes only expands references to earlier variables.
        environment=[
            *secret_environment(scope, "continuous-login", "server", place.secret_environment),
            *plain_environment({**place.environment, **_variables(place)}),
        ],
        mounts=[read_only("continuous-config", _CONFIGURATION), *reach.mounts],
    )
    state = k8s.core.v1.VolumeMountArgs(name="continuous", mount_path=_STATE)
    beside_the_server = [state, *store.part.mounts]

    def litestream(
        name: str, mounts: Sequence[k8s.core.v1.VolumeMountArgs], *arguments: str, **more: Any
    ) -> k8s.core.v1.ContainerArgs:
        return container(
            scope,
            name,
            join(inside, PodPart(mounts=mounts)),
            args.resources,
            image=args.image or versions.LITESTREAM_IMAGE,
            arguments=arguments,
            **more,
        )

    configured = ("-config", f"{_CONFIGURATION}/{_FILE}", "-no-expand-env")
    found = ("-if-replica-exists", "-integrity-check", "quick")

    def restores(what: str, file: str) -> k8s.core.v1.ContainerArgs:
        # A file that is there ends the command; `-force` removes what a lost one has left beside it.
        options = ("-if-db-not-exists", "-force", *(("-timestamp", args.time) if args.time else ()))
        return litestream(f"restore-{what}", beside_the_server, "restore", *configured, *options, *found, file)

    def rehearsing(room: k8s.core.v1.VolumeMountArgs, writes: str | None) -> PodPart:
        def rehearses(what: str, file: str) -> k8s.core.v1.ContainerArgs:
            into = f"{room.mount_path}/continuous-{what}.db"
            command = ("restore", *configured, *found, "-force", "-o", into, file)
            return litestream(f"continuous-{what}", [room], *command, writes=writes)

        return PodPart(
            volumes=[configuration], init_containers=[rehearses(what, file) for what, file in databases.items()]
        )

    replicates = litestream(
        "continuous",
        beside_the_server,
        *("litestream", *databases.values()),
        command=["/bin/sh", "-c", _REPLICATE.format(options=" ".join(configured))],
        disk=args.scratch_size,
        restart_policy="Always",
    )
    return Continuous(
        restoring=PodPart(
            volumes=[configuration, k8s.core.v1.VolumeArgs(name="continuous", empty_dir=unsent), *reach.volumes],
            network=reach.network,
            init_containers=[restores(what, file) for what, file in databases.items()],
        ),
        replicating=PodPart(
            init_containers=[replicates], environment=plain_environment({"FRONT_CHECKPOINT_PAGES": _CHECKPOINT_PAGES})
        ),
        rehearsing=rehearsing,
    )


def _configuration(
    scope: Scope, args: BackupContinuousArgs, place: Storage, databases: Mapping[str, str]
) -> dict[str, Any]:
    """Litestream's settings (https://litestream.io/reference/config/), which hold nothing secret."""
    port = scope.args.continuous_port
    return {
        # It serves its profiler there, too, so only where somebody reads the metrics.
        **({"addr": f":{port}"} if port is not None else {}),
        "snapshot": {"interval": "24h", "retention": f"{24 * args.retention_days}h"},
        # While the place of backups does not answer, a pod must still end within its grace period.
        "shutdown-sync-timeout": "10s",
        "dbs": [
            {
                "path": file,
                "meta-path": f"{_STATE}/{what}",
                "replica": {
                    **_replica(place),
                    "path": _below(scope, place.path, posixpath.basename(file)),
                    "sync-interval": f"{args.interval_seconds or _INTERVAL}s",
                },
            }
            for what, file in databases.items()
        ],
    }


def _below(scope: Scope, path: Input[str], file: str) -> pulumi.Output[str]:
    """Where a database is kept: apart from those of other deployments, since two that write to one place destroy it."""
    own = f"continuous/{scope.args.namespace}/{scope.name}/{file}"
    return pulumi.Output.from_input(path).apply(lambda root: f"{root}/{own}" if root else own)


def _replica(place: Storage) -> dict[str, Any]:
    match place.kind:
        case StorageKind.S3:
            found = {"type": "s3", "bucket": place.bucket, "region": place.region, "endpoint": place.endpoint}
            found["force-path-style"] = place.path_style
        case StorageKind.GCS:
            found = {"type": "gs", "bucket": place.bucket}
        case StorageKind.AZURE:
            found = {"type": "abs", "bucket": place.bucket, "account-name": place.account}
            found["endpoint"] = pulumi.Output.format("https://{0}.{1}", place.account, place.domain)
        case StorageKind.SFTP:
            (keys,) = place.files
            found = {"type": "sftp", "user": place.username, "key-path": place.file("id")}
            found["host"] = pulumi.Output.all(place.host, place.port).apply(
                lambda parts: f"{in_uri(parts[0])}:{parts[1]}"
            )
            found["host-key"] = pulumi.Output.all(keys.plain["known_hosts"], place.host).apply(
                lambda parts: host_key(parts[0], parts[1])
            )
        case StorageKind.VOLUME:
            found = {"type": "file"}
    return {key: value for key, value in found.items() if value is not None}


def _variables(place: Storage) -> dict[str, Input[str]]:
    """Variables that Litestream reads under another name, or that it alone reads."""
    found: dict[str, Input[str]] = {}
    if "AZURE_ACCOUNT_KEY" in place.secret_environment:
        found["LITESTREAM_AZURE_ACCOUNT_KEY"] = "$(AZURE_ACCOUNT_KEY)"
    if (ca := place.file("ca.pem")) is not None:
        # Not AWS_CA_BUNDLE, which its S3 client refuses to start with. It speaks TLS with nothing else.
        found["SSL_CERT_FILE"] = ca
    return found


def host_key(known_hosts: str, host: str) -> str:
    """The one key that Litestream compares with: of the server's in the file, the kind that it asks the server for first.

    Litestream leaves the choice to Go's library, whose order this is:
    https://cs.opensource.google/go/x/crypto/+/master:ssh/common.go (`defaultHostKeyAlgos`).

    Raises:
        ValueError: There is none, without which Litestream would trust whoever answers.
    """
    order = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "ssh-ed25519")
    keys = host_keys(known_hosts, host)
    found = next((keys[kind] for kind in order if kind in keys), None)
    if found is None:
        raise ValueError(
            f"backup.destination.sftp.knownHosts: has no key of {host!r} that Litestream knows; "
            "add what `ssh-keyscan` shows of kind ecdsa, rsa or ed25519"
        )
    return found
