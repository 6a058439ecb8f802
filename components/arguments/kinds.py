"""Choices, and what is true of each kind that can be chosen.

A choice is a block of which exactly one optional field is given (`database: {rds: {…}}`). What can be chosen is a `Kind`: a
block that declares what the rest of the program must know about it. There is no other list of kinds.
"""

import enum
import functools
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Generic, TypeVar

from pydantic.alias_generators import to_camel

from .base import Block, Path, Problem, block
from .checks import exactly_one


class CloudName(enum.Enum):
    """A cloud on which parts of a deployment can be created. The value is the name of its block of arguments."""

    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"

    @property
    def title(self) -> str:
        """The name as its vendor writes it."""
        return {"aws": "AWS", "gcp": "Google Cloud", "azure": "Azure"}[self.value]


class MlflowImage(enum.IntEnum):
    """Which MLflow image contains what a kind needs; each contains everything in the ones before it."""

    BASE = 0
    """The official image without database drivers and cloud clients."""
    FULL = 1
    """The official image with them."""
    CUSTOM = 2
    """An image built by the user."""


# The bases are blocks themselves: Pulumi's component analyzer would mistake annotations of other classes for arguments.
@block
class Kind(Block):
    """Base of all kinds."""

    made_on: ClassVar[CloudName | None] = None
    """Cloud on which this stack creates it; None if it exists already or runs in the cluster."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Fields of that cloud's block that must be given."""
    mlflow_image: ClassVar[MlflowImage] = MlflowImage.BASE
    """MLflow image that it needs."""
    not_in_images: ClassVar[str] = ""
    """What the official images lack of it, where it needs an image built by the user."""
    variables: ClassVar[Mapping[str, str]] = {}
    """Environment variables that it sets, with the field that sets each; an empty string if no field does."""


@block
class DatabaseBlock(Kind):
    """Base of the kinds of database."""

    server: ClassVar[bool] = True
    """Whether it is a server, which several pods can share and which a Job can migrate."""
    mlflow_image: ClassVar[MlflowImage] = MlflowImage.FULL

    @property
    def connections(self) -> int | None:
        """Connections that the server grants to MLflow, if known: `connection_limit`, which most kinds have."""
        return getattr(self, "connection_limit", None)

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of a server that exists already, where both are known: what tells whether two blocks mean one server."""
        return None

    @property
    def backups(self) -> tuple[Path, int] | None:
        """How many days backups are kept, and the field that says so; None if that is not decided here."""
        return None


def granted_connections(parameters: Mapping[str, str], estimate: int | None) -> int | None:
    """Connections that a managed server grants.

    Args:
        parameters: What the user sets on the server; a formula, such as RDS takes, tells nothing.
        estimate: What the server grants unless they say otherwise.
    """
    given = parameters.get("max_connections")
    if given is None:
        return estimate
    return int(given) if given.isdigit() else None


@block
class ArtifactBlock(Kind):
    """Base of the kinds of artifact store."""

    server_only: ClassVar[str | None] = None
    """Description for messages if only the server can reach it; None if clients may access it directly."""
    mlflow_image: ClassVar[MlflowImage] = MlflowImage.FULL
    keys: ClassVar[tuple[str, ...]] = ()
    """Fields that hold a login of its own."""
    spooled: ClassVar[bool] = True
    """Whether the server keeps a whole file in `/tmp` while it passes it on. MLflow streams only to and from its own file system:
    https://github.com/mlflow/mlflow/blob/v3.17.2/mlflow/server/artifact_router.py."""

    @property
    def cloud(self) -> CloudName | None:
        """Cloud whose identities can be granted access to it."""
        return self.made_on

    @property
    def has_keys(self) -> bool:
        """Whether it brings its own login, which its client library takes before any identity."""
        return any(getattr(self, name, None) is not None for name in self.keys)

    @property
    def password_in_uri(self) -> bool:
        """Whether its URI, which clients receive unless artifacts are proxied, contains a password."""
        return False

    @property
    def versions(self) -> tuple[Path, int] | None:
        """How many days overwritten artifacts are kept, and the field that says so; None if that is not decided here."""
        return None


@block
class IdentityBlock(Kind):
    """Base of the kinds of identity."""

    annotation: ClassVar[str | None] = None
    """Annotation of the ServiceAccount that it needs, and sets."""
    labels: ClassVar[Mapping[str, str]] = {}
    """Labels of pods that it sets."""

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What it sets on the ServiceAccount, with the values as far as they are given."""
        return {} if self.annotation is None else {self.annotation: None}

    @property
    def annotates(self) -> bool:
        """Whether it needs annotations on the ServiceAccount."""
        return bool(self.annotations)

    @property
    def names_store(self) -> bool:
        """Whether it names an existing artifact store that it may use."""
        return False


@block
class LoginBlock(Kind):
    """Base of the ways to log in."""

    mlflow_image: ClassVar[MlflowImage] = MlflowImage.FULL
    users_in_mlflow: ClassVar[bool] = True
    """Whether MLflow's own store keeps users and permissions, with settings in `basic_auth.ini`."""
    proxied: ClassVar[bool] = False
    """Whether a proxy in front of the server authenticates users."""


K = TypeVar("K", bound=Kind)


@functools.cache
def choices(block: type) -> dict[str, type[Kind]]:
    """The kinds that a block offers, by the names of its fields."""
    held = {field.name: next(iter(typing.get_args(field.type)), None) for field in fields(block)}
    return {name: kind for name, kind in held.items() if isinstance(kind, type) and issubclass(kind, Kind)}


def variables_of(name: str, block: type) -> dict[str, str]:
    """Environment variables that the kinds of a choice set, and what to use instead.

    Args:
        name: Name of the block among the arguments.
        block: Its type.
    """
    return {
        variable: told
        for kind, held in choices(block).items()
        for variable, told in variables_of_kind(f"{name}.{to_camel(kind)}", held).items()
    }


def variables_of_kind(path: str, kind: type[Kind] | Kind) -> dict[str, str]:
    """The same of one kind, which stands at a path in the stack file."""
    return {
        variable: f"use {path}.{to_camel(field)}" if field else f"{path} needs it as it is"
        for variable, field in kind.variables.items()
    }


class Choice(Block, Generic[K]):
    """Base of the blocks that are a choice. `K` is the union of the kinds, each the type of one optional field."""

    @property
    def chosen(self) -> tuple[str, K] | None:
        """Field and block of the chosen kind; None, in unchecked arguments only, if there is none."""
        given = ((name, getattr(self, name)) for name in choices(type(self)))
        return next(((name, kind) for name, kind in given if kind is not None), None)

    @property
    def kind(self) -> K:
        """The chosen kind; checked arguments have exactly one."""
        assert self.chosen is not None, "checked arguments hold exactly one choice"
        return self.chosen[1]

    def choice_problems(self, example: str) -> Iterator[Problem]:
        """Exactly one kind must be given."""
        yield from exactly_one(self, tuple(choices(type(self))), example)
