"""Where backups go, in a pod: files, claim and destinations. Variables are for each tool, which name them in their own way."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import dataclasses
from itertools import chain

from ..arguments import NetworkPolicyArgs
from ..contracts import BackupDestination, NetworkDestination
from .part import PodPart, join
from .scope import Scope
from .volumes import claims, files


def backup_place(scope: Scope, place: BackupDestination) -> PodPart:
    """What every pod needs that writes to the place of backups, or reads there; to be made once."""
    return join(
        PodPart(network=_destinations(scope, place)),
        claims(place.volumes),
        *(files(scope, "backup", each) for each in place.files),
    )


def _destinations(scope: Scope, place: BackupDestination) -> list[NetworkDestination]:
    """The place itself, and where client libraries get credentials, in the networks that the arguments name."""
    policy = scope.args.network_policy or NetworkPolicyArgs()
    # What the identity says of a cloud is exact.
    asked = chain.from_iterable({**place.credentials, **scope.identity.credentials}.values())
    return [
        *([] if place.network is None else [place.network]),
        *(dataclasses.replace(each, networks=policy.identity_cidrs) for each in asked),
    ]
