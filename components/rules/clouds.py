"""Resources on a cloud: the cloud's block, one cloud for all of them, and an identity that may use the artifacts."""

from collections.abc import Iterator
from typing import Any

from pydantic.alias_generators import to_camel

from ..arguments import (
    AlibabaRamArgs,
    ArtifactsArgs,
    AwsArgs,
    AzureArgs,
    DatabaseArgs,
    GcpArgs,
    IdentityArgs,
    MlflowDeploymentArgs,
)
from ..arguments.base import Path, Problem
from ..arguments.kinds import CloudName, IdentityBlock, choices
from . import aws, azure, gcp

_BLOCKS: dict[CloudName, Any] = {CloudName.AWS: AwsArgs, CloudName.GCP: GcpArgs, CloudName.AZURE: AzureArgs}
_CHOICES = {"database": DatabaseArgs, "artifacts": ArtifactsArgs, "identity": IdentityArgs}


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Rules for all clouds, and for particular ones."""
    for cloud in CloudName:
        yield from _surroundings(args, cloud)
    yield from _one_cloud(args)
    yield from _identity(args)
    yield from _account(args)
    yield from _versions(args)
    yield from aws.problems(args)
    yield from azure.problems(args)
    yield from gcp.problems(args)


def _surroundings(args: MlflowDeploymentArgs, cloud: CloudName) -> Iterator[Problem]:
    """A cloud's block is given if and only if something is created there, and has the fields that this needs."""
    given = getattr(args, cloud.value)
    made = [(f"{block}.{to_camel(name)}", kind) for block, name, kind in args.kinds if kind.made_on is cloud]
    if given is not None and not made:
        among = [
            (block, name)
            for block, choice in _CHOICES.items()
            for name, kind in choices(choice).items()
            if kind.made_on is cloud
        ]
        fix = f"remove it, or choose one of: {', '.join(f'{block}.{to_camel(name)}' for block, name in among)}"
        message = f"nothing in this deployment is created on {cloud.title}"
        yield Problem((cloud.value,), message, fix, either=tuple(among))
    for choice, kind in made:
        absent = [name for name in kind.needs if getattr(given, name, None) in (None, [])]
        if given is None:
            required = [name for name, field in _BLOCKS[cloud].__pydantic_fields__.items() if field.is_required()]
            if absent or required:
                keys = ", ".join(f"{cloud.value}.{to_camel(name)}" for name in (*required, *absent))
                yield Problem((cloud.value,), f"is required with {choice}", f"give {keys}")
            continue
        for name in absent:
            fix = "give it, or an output of the program that creates it"
            yield Problem((cloud.value, name), f"is required with {choice}", fix)


def _one_cloud(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """An identity on one cloud means nothing on another."""
    made = [(kind.made_on, f"{block}.{to_camel(name)}") for block, name, kind in args.kinds if kind.made_on]
    clouds = {cloud for cloud, _ in made}
    if len(clouds) > 1:
        message = f"resources would be created on {len(clouds)} clouds: {', '.join(choice for _, choice in made)}"
        fix = "keep one cloud; name what is elsewhere as existing (database.postgresql, artifacts.s3, …)"
        yield Problem((), message, fix)


def _identity(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Artifacts on a cloud need an identity of that cloud, and an identity needs artifacts there."""
    if args.artifacts.chosen is None:
        return
    name, store = args.artifacts.chosen
    if store.made_on is not None and args.identity is None:
        among = [to_camel(kind) for kind, held in choices(IdentityArgs).items() if held.made_on is store.made_on]
        message = f"is required with artifacts.{to_camel(name)}: without one the pods may not use it"
        yield Problem(("identity",), message, f"choose {' or '.join(among)}, or bring an identity with existing")
    if args.identity is None or args.identity.chosen is None:
        return
    name, identity = args.identity.chosen
    bucket = args.backup.destination.by_identity if args.backup is not None else None
    used = [store.cloud, *([] if bucket is None else [bucket.cloud])]
    if identity.made_on is not None and identity.made_on not in used and not identity.names_store:
        message = f"would be allowed nothing: artifacts are not on {identity.made_on.title}"
        yield Problem(("identity", name), message, "remove it, or keep artifacts there", either=(("artifacts",),))
        return
    meant = identity.made_on is not None or (isinstance(identity, AlibabaRamArgs) and args.artifacts.oss is not None)
    if store.has_keys and bucket is None and meant:
        block = f"artifacts.{to_camel(args.artifacts.chosen[0])}"
        message = f"{block} has a login of its own, which the pods would use instead of the identity"
        yield Problem(("identity", name), message, "remove one of them", either=(("artifacts",),))


def _account(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Annotations can only be set on a ServiceAccount that this stack creates."""
    if args.identity is None or args.identity.chosen is None:
        return
    name, identity = args.identity.chosen
    yield from _twice(args, f"identity.{to_camel(name)}", identity)
    if identity.annotates and not args.service_account.create:
        message = "cannot annotate an account that exists already (serviceAccount.create is false)"
        fix = "let this stack create the account, or annotate it yourself and use identity.existing without annotations"
        yield Problem(("identity", name), message, fix, either=(("service_account",),))


def _twice(args: MlflowDeploymentArgs, path: str, identity: IdentityBlock) -> Iterator[Problem]:
    """Annotations and labels that the identity sets, and the user with another value: one of the two would be lost."""
    given: dict[Path, Any] = {
        ("service_account", "annotations"): (args.service_account.annotations, identity.annotations),
        **{
            place: (labels, identity.labels)
            for place, labels in {
                ("labels",): args.labels,
                ("pod", "labels"): args.pod.labels,
                ("pod", "job_labels"): args.pod.job_labels,
            }.items()
        },
    }
    for place, (theirs, ours) in given.items():
        for key in (key for key in theirs if key in ours and (ours[key] is None or ours[key] != theirs[key])):
            yield Problem((*place, key), f"is given as well as {path}, which sets it", "keep one of them")


def _versions(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Artifacts must be kept at least as long as backups, so that a restored database finds them."""
    if args.database.chosen is None or args.artifacts.chosen is None:
        return
    (database, source), (artifacts, store) = args.database.chosen, args.artifacts.chosen
    if source.backups is None or store.versions is None:
        return
    (days_path, backups), (path, kept) = source.backups, store.versions
    if kept < backups:
        message = (
            f"{kept} is less than the {backups} days for which backups of the database are kept: "
            "a restored database would name artifacts that are gone"
        )
        retention = ("database", database, *days_path)
        yield Problem(("artifacts", artifacts, *path), message, f"use {backups} or more", either=(retention,))
