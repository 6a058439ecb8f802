"""Where backups go, in a pod: files, claim, destinations and password. Variables are for each tool, which name them in their own way."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from ..arguments import BackupArgs
from ..contracts import SecretKey, Storage
from ..labels import BACKUP
from .part import PodPart, join
from .scope import Scope
from .volumes import claims, files, secret


@dataclass(frozen=True, kw_only=True)
class BackupPlace:
    """The place of backups.

    Attributes:
        destination: Where it is.
        reach: What every pod needs that writes there, or reads.
        password: What backups are encrypted with.
    """

    destination: Storage
    reach: PodPart
    password: SecretKey


def backup_place(scope: Scope, args: BackupArgs, destination: Storage, after: Sequence[pulumi.Resource]) -> BackupPlace:
    """What pods need to know of it; to be made once.

    Args:
        scope: The deployment.
        args: The block.
        destination: Where it is.
        after: Resources that must exist before.
    """
    reach = join(
        PodPart(network=scope.destinations(destination.network, destination.credentials)),
        claims(destination.volumes),
        *(files(scope, "backup", each) for each in destination.files),
    )
    return BackupPlace(destination=destination, reach=reach, password=_password(scope, args, after))


def _password(scope: Scope, args: BackupArgs, after: Sequence[pulumi.Resource]) -> SecretKey:
    """Where the password is."""
    if args.existing_secret is not None:
        return SecretKey(name=args.existing_secret.name, key=args.existing_secret.key)
    password = args.password
    if password is None:
        # After a first object in the cluster, so that an `up` that cannot reach it leaves nothing in the state.
        options = scope.options(depends_on=[*after], protect=scope.args.deletion_protection)
        password = random.RandomPassword(f"{scope.name}-backup-password", length=40, special=False, opts=options).result
    return SecretKey(name=secret(scope, "backup-password", BACKUP, {"password": password}), key="password")
