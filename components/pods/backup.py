"""Backups, restores and drills: three CronJobs, of which the last starts nothing by itself.

All that they need is declared: whoever starts a Job from one of them needs no more than the right to do that.
One module although it is long: the three share containers, volumes and variables.
"""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import dataclasses
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s

from .. import versions
from ..arguments import BackupArgs, BackupDrillArgs, Input, NfsArgs, ResourcesArgs, VolumeArgs
from ..contracts import (
    ArtifactStore,
    DatabaseConnection,
    Engine,
    SecretKey,
    Storage,
    StorageKind,
    in_uri,
)
from ..in_image import Program
from ..labels import BACKUP, BACKUP_DRILL, COMPONENT, RESTORE, SERVER, instance
from .artifact_copies import ArtifactCopies, artifact_copies
from .backend_store import BackendStore
from .backup_place import BackupPlace
from .backup_scripts import FILES
from .containers import container, mlflow_container
from .continuous import Continuous
from .environment import database_part, plain_environment, print_command, secret_environment, unique
from .jobs import cron_job, on_the_node_of
from .part import PodPart, join
from .scope import Scope, merged
from .volumes import TMP, claims, config_map, config_volume, memory_volume, read_only, scratch_volume

_SCRIPTS = "/etc/mlflow/backup"
_LOGIN = "/login"
_FOLDER, _RESTORED = "/backup", "/restored"
_PROGRAM = Program("backup.py")
_NEVER = "0 0 31 2 *"
"""The schedule of what only people start."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backups:
    """What backups consist of.

    Attributes:
        scheduled: What the pods of each kind must reach, by component.
        password_command: Command that prints the password of the repository.
    """

    scheduled: Mapping[str, PodPart]
    password_command: pulumi.Output[str]


def backups(
    scope: Scope,
    args: BackupArgs,
    place: BackupPlace,
    connection: DatabaseConnection,
    database: BackendStore,
    store: ArtifactStore,
    keys: PodPart,
    copies: Continuous,
    *,
    after: Sequence[pulumi.Resource],
) -> Backups:
    """The CronJobs.

    Args:
        scope: The deployment.
        args: The block.
        place: Where backups go.
        connection: The database.
        database: How a pod reaches it.
        store: The artifacts.
        keys: The keys that all replicas share, as variables.
        copies: Continuous backups, which drills try out as well.
        after: Resources that must exist before.
    """
    pod = _Pods(scope, args, place, connection, database, store, keys)
    parts = {
        BACKUP: pod.backup(),
        RESTORE: pod.restore(),
        **({BACKUP_DRILL: pod.drill(args.drill, copies)} if args.drill else {}),
    }
    beside = _beside_the_server(scope) if pod.exclusive else None
    when: dict[str, BackupArgs | BackupDrillArgs] = {
        BACKUP: args,
        # Suspended for ever: a template to start Jobs from.
        RESTORE: dataclasses.replace(args, schedule=_NEVER, suspend=True),
    }
    if args.drill is not None:
        when[BACKUP_DRILL] = dataclasses.replace(args.drill, suspend=args.drill.suspend or args.suspend)
    for component, (part, main) in parts.items():
        cron_job(
            scope,
            component,
            part,
            main,
            scratch="2Gi",
            when=when[component],
            after=after,
            # A restore that failed needs attention; a second one would find what the first has left.
            retries=0 if component == RESTORE else 1,
            affinity=beside if component != BACKUP_DRILL else None,
        )
    scheduled = {component: part for component, (part, _) in parts.items()}
    return Backups(scheduled=scheduled, password_command=print_command(place.password, scope.namespace))


class _Pods:
    """The containers of the three kinds of pod, which differ in their order."""

    def __init__(
        self,
        scope: Scope,
        args: BackupArgs,
        place: BackupPlace,
        connection: DatabaseConnection,
        database: BackendStore,
        store: ArtifactStore,
        keys: PodPart,
    ) -> None:
        destination, reach = place.destination, place.reach
        self._scope, self._args, self._keys = scope, args, keys
        self._writes = args.scratch_size if args.scratch_volume is None else None
        self._sqlite = connection.engine is Engine.SQLITE
        self._mysql = _is_mysql(scope, connection)
        self._database = database.part_of("mlflow-backup")
        on_volume = isinstance(scope.args.artifacts.kind, (VolumeArgs, NfsArgs))
        self._artifacts = claims(store.volumes) if on_volume else PodPart()
        self._root = str(store.volumes[0].mount_path) if on_volume else ""
        self._copies = None if on_volume else artifact_copies(scope, args, place, store)
        self.exclusive = database.exclusive or (on_volume and any(not volume.shared for volume in store.volumes))
        self._place = PodPart(volumes=reach.volumes, mounts=reach.mounts)
        self._network = PodPart(network=reach.network)
        uri: Input[str] = ""
        if not store.confidential and not isinstance(store.destination, SecretKey):
            uri = pulumi.Output.from_input(store.destination).apply(lambda text: "" if "$(" in text else text)
        plain: dict[str, Input[str]] = {
            "BACKUP_DEPLOYMENT": scope.name,
            "BACKUP_NAMESPACE": scope.args.namespace,
            "BACKUP_ARTIFACTS": "copied" if on_volume else "scheduled" if self._copies else "versions",
            "BACKUP_ARTIFACTS_URI": uri,
        }
        self._about = PodPart(environment=plain_environment(plain))
        hidden = secret_environment(
            scope, "backup", BACKUP, {**destination.secret_environment, "RESTIC_PASSWORD": place.password}
        )
        self._restic = join(
            PodPart(
                environment=[
                    *plain_environment({"HOME": TMP, "RESTIC_CACHE_DIR": f"{TMP}/restic", **_repository(destination)}),
                    *plain_environment(_settings(scope, args, self._root)),
                    *plain_environment(destination.environment),
                    *hidden,
                ]
            ),
            self._place,
        )
        programs = config_map(scope, "backup-programs", BACKUP, {**_PROGRAM.files, **FILES})
        pod = scope.args.pod
        of_pod = merged({"runAsUser": pod.run_as_user}, pod.part("security_context"))
        user = merged(of_pod, pod.part("container_security_context")).get("runAsUser")
        entry = pulumi.Output.format("mlflow:x:{0}:{0}::{1}:/bin/sh\n", user, TMP)
        # `ssh` and `initdb` refuse users without a name. Where the cluster chooses the user, it adds the line itself.
        account = None if user is None else config_map(scope, "backup-account", BACKUP, {"passwd": entry})
        self._named = (
            PodPart()
            if account is None
            else PodPart(
                volumes=[config_volume("backup-account", account)],
                mounts=[
                    k8s.core.v1.VolumeMountArgs(
                        name="backup-account", mount_path="/etc/passwd", sub_path="passwd", read_only=True
                    )
                ],
            )
        )
        self._dumped = k8s.core.v1.VolumeMountArgs(name="dump", mount_path=_FOLDER)
        self._shared = PodPart(
            volumes=[
                config_volume("backup", programs),
                memory_volume("login"),
                *(scratch_volume(args.scratch_size, args.scratch_volume, name) for name in ("dump", "restored")),
            ],
            mounts=[
                read_only("backup", _SCRIPTS),
                k8s.core.v1.VolumeMountArgs(name="login", mount_path=_LOGIN),
                self._dumped,
                k8s.core.v1.VolumeMountArgs(name="restored", mount_path=_RESTORED),
            ],
        )

    def backup(self) -> tuple[PodPart, k8s.core.v1.ContainerArgs]:
        """Dump, describe, store."""
        inits = [self._lock("lock"), self._dump(), self._mlflow("manifest", self._keys)]
        tag = {"BACKUP_TAG": "backup"}
        # Beside the other, so that the database is safe whatever becomes of artifacts, which may take hours.
        beside = [self._copies_artifacts(self._copies, "keep", tag)] if self._copies else []
        main = self._stores("store", "store.sh", {**tag, **({"BACKUP_COPIES": "true"} if self._copies else {})})
        return dataclasses.replace(self._pod(*inits), containers=beside), main

    def drill(self, args: BackupDrillArgs, copies: Continuous) -> tuple[PodPart, k8s.core.v1.ContainerArgs]:
        """Fetch, load into a throw-away database, compare. It reaches the repository, and no database of the deployment."""
        inits = [
            self._stores("fetch", "fetch.sh", {"BACKUP_DRILL": "true"}, args.resources),
            self._about_dump("check", args.resources),
        ]
        if not self._sqlite:
            engine = PodPart(environment=plain_environment({"BACKUP_ENGINE": "mysql" if self._mysql else "postgresql"}))
            inits.append(self._client("load", "drill.sh", engine, args.resources))
        kept = PodPart()
        if self._copies:
            inits.append(self._copies_artifacts(self._copies, "drill", {}, args.resources))
            kept = PodPart(volumes=self._copies.kept.volumes)
        also = copies.rehearsing(self._dumped, self._writes)
        part = join(self._volumes(), self._place_volumes(), kept, self._network, PodPart(init_containers=inits), also)
        return dataclasses.replace(part, mounts=[]), self._about_dump("drill", args.resources)

    def restore(self) -> tuple[PodPart, k8s.core.v1.ContainerArgs]:
        """Fetch, refuse, keep what is there, load, count."""
        settings = {"BACKUP_TAG": "before-restore", "BACKUP_BEFORE_RESTORE": "true"}
        before = PodPart(environment=plain_environment(settings))
        inits = [
            self._lock("lock-restore"),
            self._stores("fetch", "fetch.sh", {}),
            self._mlflow("check-restore", self._keys),
            *([self._copies_artifacts(self._copies, "check-restore", {})] if self._copies else []),
            self._dump(before),
            self._mlflow("manifest", join(self._keys, before)),
            self._stores("store", "store.sh", settings),
            self._mlflow("load-sqlite") if self._sqlite else self._client("load", "load.sh", self._database),
            *([self._stores("artifacts", "artifacts.sh", {})] if self._root else []),
            *([self._copies_artifacts(self._copies, "restore", {})] if self._copies else []),
        ]
        return self._pod(*inits), self._mlflow("verify")

    def _pod(self, *containers: k8s.core.v1.ContainerArgs) -> PodPart:
        """Volumes and destinations, with these containers after those of the database's login."""
        copied = PodPart()
        if self._copies:
            kept, store = self._copies.kept, self._copies.store
            copied = PodPart(volumes=[*kept.volumes, *store.volumes], network=store.network)
        part = join(self._volumes(), self._place_volumes(), self._database, self._artifacts, copied, self._network)
        inits = [*part.init_containers, *containers]
        return dataclasses.replace(part, init_containers=inits, mounts=[], environment=[])

    def _volumes(self) -> PodPart:
        return PodPart(volumes=[*self._shared.volumes, *self._named.volumes])

    def _place_volumes(self) -> PodPart:
        return PodPart(volumes=self._place.volumes)

    def _lock(self, command: str) -> k8s.core.v1.ContainerArgs:
        """A sidecar that holds the lock while the others work."""
        ready = ["sh", "-c", f"test -e {_LOGIN}/ready || test -e {_LOGIN}/refused"]
        probe = k8s.core.v1.ProbeArgs(
            exec_=k8s.core.v1.ExecActionArgs(command=ready),
            period_seconds=1,
            timeout_seconds=5,
            failure_threshold=1200,  # longer than it waits for the lock
        )
        server = f"{self._scope.service_name}.{self._scope.args.namespace}.svc:{self._scope.args.service.port}"
        more = PodPart(environment=plain_environment({"BACKUP_SERVER": server}))
        return self._mlflow(command, more, name="lock", restart_policy="Always", startup_probe=probe)

    def _dump(self, more: PodPart | None = None) -> k8s.core.v1.ContainerArgs:
        more = more or PodPart()
        return (
            self._mlflow("dump-sqlite", more)
            if self._sqlite
            else self._client("dump", "dump.sh", join(self._database, more))
        )

    def _mlflow(
        self, command: str, more: PodPart | None = None, name: str | None = None, **rest: object
    ) -> k8s.core.v1.ContainerArgs:
        """A part of the program, with the database."""
        part = join(self._database, self._about, more or PodPart(), PodPart(mounts=self._shared.mounts))
        return mlflow_container(
            self._scope,
            name or command,
            dataclasses.replace(part, init_containers=[], volumes=[]),
            self._args.resources,
            command=["python", f"{_SCRIPTS}/{_PROGRAM.name}", command],
            user=database_part(self._scope),
            disk="64Mi",
            writes=self._writes,
            **rest,
        )

    def _about_dump(self, command: str, resources: ResourcesArgs) -> k8s.core.v1.ContainerArgs:
        """A part of the program without the database; only its kind."""
        scheme = "sqlite" if self._sqlite else "mysql" if self._mysql else "postgresql"
        engine = PodPart(environment=plain_environment({"MLFLOW_BACKEND_STORE_URI": f"{scheme}://"}))
        return mlflow_container(
            self._scope,
            command,
            join(engine, self._about, PodPart(mounts=self._shared.mounts)),
            resources,
            command=["python", f"{_SCRIPTS}/{_PROGRAM.name}", command],
            disk="64Mi",
            writes=self._writes,
        )

    def _client(
        self, name: str, script: str, more: PodPart, resources: ResourcesArgs | None = None
    ) -> k8s.core.v1.ContainerArgs:
        """A script in the image of the database's clients."""
        concerned = [each for each in self._scope.user.environment if str(each.name).startswith(("PG", "MYSQL"))]
        variables = unique([*plain_environment({"HOME": TMP}), *more.environment, *concerned])
        mounts = [*self._shared.mounts, *more.mounts, *self._named.mounts]
        part = PodPart(environment=variables, mounts=mounts)
        image = self._args.client_image or (versions.MARIADB_IMAGE if self._mysql else versions.POSTGRESQL_IMAGE)
        return self._script(name, script, part, image, resources)

    def _stores(
        self, name: str, script: str, settings: Mapping[str, str], resources: ResourcesArgs | None = None
    ) -> k8s.core.v1.ContainerArgs:
        """A script in restic's image."""
        part = join(
            PodPart(environment=plain_environment(settings)),
            self._restic,
            PodPart(mounts=[*self._shared.mounts, *self._named.mounts]),
            PodPart(mounts=self._artifacts.mounts) if "BACKUP_DRILL" not in settings else PodPart(),
        )
        return self._script(name, script, dataclasses.replace(part, volumes=[]), self._args.image, resources)

    def _copies_artifacts(
        self, copies: ArtifactCopies, what: str, settings: Mapping[str, str], resources: ResourcesArgs | None = None
    ) -> k8s.core.v1.ContainerArgs:
        """A part of the script in rclone's image; a drill reaches the copies alone."""
        named = plain_environment({**settings, "BACKUP_HOST": _host(self._scope)})
        sides = [copies.kept] if what == "drill" else [copies.kept, copies.store]
        whole = join(PodPart(environment=named), *sides, PodPart(mounts=self._shared.mounts))
        part = PodPart(environment=whole.environment, mounts=whole.mounts)
        name = "artifacts" if what != "check-restore" else "check-artifacts"
        return self._script(name, "copies.sh", part, self._args.artifacts_image, resources, what)

    def _script(
        self, name: str, script: str, part: PodPart, image: Input[str], resources: ResourcesArgs | None, *arguments: str
    ) -> k8s.core.v1.ContainerArgs:
        return container(
            self._scope,
            name,
            part,
            resources or self._args.resources,
            image=image,
            command=["sh", f"{_SCRIPTS}/{script}", *arguments],
            disk="64Mi",
            writes=self._writes,
        )


def _is_mysql(scope: Scope, connection: DatabaseConnection) -> bool:
    """Whether clients are MariaDB's. Of a URI in a Secret nothing is known here: `clientImage` tells."""
    if connection.engine is not None:
        return connection.engine is Engine.MYSQL
    image = scope.args.backup.client_image if scope.args.backup else None
    return isinstance(image, str) and any(name in image for name in ("mysql", "mariadb"))


def _host(scope: Scope) -> str:
    """What a deployment's snapshots are known by among those of others in the same repository."""
    return f"{scope.args.namespace}/{scope.name}"


def _settings(scope: Scope, args: BackupArgs, root: str) -> dict[str, Input[str]]:
    kept = args.retention
    return {
        "BACKUP_HOST": _host(scope),
        "BACKUP_DAILY": str(kept.daily),
        "BACKUP_WEEKLY": str(kept.weekly),
        "BACKUP_MONTHLY": str(kept.monthly),
        **({"BACKUP_FILES": root} if root else {}),
    }


def _repository(to: Storage) -> dict[str, Input[str]]:
    """Where restic finds its repository: https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html."""
    ca = to.file("ca.pem")
    match to.kind:
        case StorageKind.S3:
            style = {None: "auto", True: "path", False: "dns"}[to.path_style]
            more = {"BACKUP_BUCKET_LOOKUP": style, **({"RESTIC_CACERT": ca} if ca else {})}
            return {"RESTIC_REPOSITORY": _joined("s3:", to.endpoint, "/", to.bucket, to.path), **more}
        case StorageKind.GCS:
            return {"RESTIC_REPOSITORY": _joined("gs:", to.bucket, ":", "", to.path)}
        case StorageKind.AZURE:
            return {"RESTIC_REPOSITORY": _joined("azure:", to.bucket, ":", "", to.path)}
        case StorageKind.SFTP:
            where = pulumi.Output.all(to.username, to.host, to.port).apply(
                lambda parts: f"{parts[0]}@{in_uri(parts[1])}:{int(parts[2])}/"
            )
            ssh = pulumi.Output.concat(
                f"-i {to.file('id')} -o UserKnownHostsFile={to.file('known_hosts')} -o StrictHostKeyChecking=yes -o BatchMode=yes",
                " -o HostKeyAlias=",
                to.host or "",
            )
            return {"RESTIC_REPOSITORY": _joined("sftp://", where, "", "", to.path), "BACKUP_SFTP": ssh}
        case StorageKind.VOLUME:
            return {"RESTIC_REPOSITORY": _joined("", "", "", "", to.path)}


def _joined(
    scheme: str, root: Input[str] | None, sign: str, bucket: Input[str] | None, path: Input[str]
) -> pulumi.Output[str]:
    """The repository's URL, in a folder of its own below the path."""

    def url(parts: list[str]) -> str:
        first, second, third = parts
        below = "/".join(part for part in (second, third.rstrip("/"), "restic") if part)
        slash = "/" if sign == ":" else ""
        return f"{scheme}{first}{sign}{slash}{below}"

    return pulumi.Output.all(root or "", bucket or "", path).apply(url)


def _beside_the_server(scope: Scope) -> k8s.core.v1.AffinityArgs:
    """Where a volume that is limited to one node can be mounted: on the server's node; anywhere, if there is no server. The
    scheduler lets a pod that fits its own term be the first: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/."""
    one = k8s.meta.v1.LabelSelectorRequirementArgs(key=COMPONENT, operator="In", values=[SERVER, BACKUP, RESTORE])
    return on_the_node_of(k8s.meta.v1.LabelSelectorArgs(match_labels=instance(scope.name), match_expressions=[one]))
