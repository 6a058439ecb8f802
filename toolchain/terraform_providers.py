"""Terraform providers of clouds, built in part: copies of their modules that register only some of the services.

The released Pulumi plugins are these providers behind Pulumi's bridge. One cloud's provider has hundreds of services, each
with its own client library, but only one or two files name them all. Without the other services it builds in minutes, and
what is left is the real provider, so that tests against emulated clouds see its validation, defaults and waiting.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from toolchain.console import UserError
from toolchain.paths import cache


@dataclass(frozen=True)
class Registration:
    """A file that names every service.

    Attributes:
        file: Its path in the module.
        pattern: What stands there for one service, which is the first group; taken out unless the service is kept.
        kept: Names of what is kept, as this file spells them.
    """

    file: str
    pattern: str
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Provider:
    """The part of a provider that is built.

    Attributes:
        module: Path of its Go module.
        probe: A package of the module that imports little, for which Go downloads the module.
        folders: Folders of the module that are needed.
        services: The folder that has one package for each service.
        kept: Packages in it that are needed.
        registrations: Files that name all services.
    """

    module: str
    probe: str
    folders: tuple[str, ...]
    services: str
    kept: tuple[str, ...]
    registrations: tuple[Registration, ...]


def _aws() -> Provider:
    services = ("account", "ec2", "eks", "iam", "kms", "logs", "meta", "organizations", "rds", "s3", "s3control", "sts")
    clients = tuple(
        {"logs": "cloudwatchlogs"}.get(name, name) for name in services if name != "meta"
    )  # names of the SDK's packages
    return Provider(
        module="github.com/hashicorp/terraform-provider-aws",
        probe="version",
        folders=("internal", "names", "version"),
        services="internal/service",
        kept=services,
        registrations=(
            Registration(
                "internal/provider/sdkv2/service_packages_gen.go",
                r"^\t+(?:\".*/internal/service/(\w+)\"|(\w+)\.ServicePackage\(ctx\),)\n",
                services,
            ),
            Registration(
                "internal/conns/awsclient_gen.go",
                r"^(?:\t\".*/aws-sdk-go-v2/service/(\w+)\"\n|func \(.*\) \w+Client\(.*\) \*(\w+)\.Client \{\n.*\n\}\n+)",
                clients,
            ),
        ),
    )


def _gcp() -> Provider:
    services = ("compute", "resourcemanager", "servicenetworking", "sql", "storage")
    # What these import of others.
    imported = ("cloudbilling", "iambeta", "iamcredentials", "pubsub", "resourcemanagerv3", "serviceusage")
    return Provider(
        module="github.com/hashicorp/terraform-provider-google",
        probe="version",
        folders=("google", "version"),
        services="google/services",
        kept=(*services, *imported),
        registrations=(
            Registration("google/provider/provider_register_services.go", r"^\t_ \".*/services/(\w+)\"\n", services),
        ),
    )


PROVIDERS = {"aws": _aws(), "gcp": _gcp()}
"""By the folder of the Go module, below `go/`, whose commands are built of them."""


def prune(provider: Provider, source: Path) -> Path:
    """The part of the provider as a module of its own.

    Args:
        provider: Which part.
        source: Where Go keeps the whole module.

    Returns:
        A folder of the cache.

    Raises:
        UserError: The module does not look as expected.
    """
    copy = cache("go", "pruned", hashlib.sha256(repr((provider, source.name)).encode()).hexdigest()[:16])
    if copy.exists():
        return copy
    unfinished = copy.with_name(f".{copy.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    services = source / provider.services

    def unwanted(folder: str, names: list[str]) -> set[str]:
        place = Path(folder)
        # Of the other services only the code is left out: a package may embed their further files by a pattern.
        other = services in place.parents and place.relative_to(services).parts[0] not in provider.kept
        return {name for name in names if name.endswith(".go" if other else "_test.go") or name == "testdata"}

    for folder in provider.folders:
        # Not copy2: Go keeps its sources read-only.
        shutil.copytree(source / folder, unfinished / folder, copy_function=shutil.copyfile, ignore=unwanted)
    shutil.copyfile(source / "go.mod", unfinished / "go.mod")
    for folder in (unfinished, *(path for path in unfinished.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    for registration in provider.registrations:
        file = unfinished / registration.file
        text, found = _without_others(registration, file.read_text())
        missing = set(registration.kept) - found
        if missing:
            raise UserError(
                f"{source / registration.file} does not name {', '.join(sorted(missing))}",
                "Bring toolchain/terraform_providers.py up to date.",
            )
        file.write_text(text)
    unfinished.rename(copy)
    return copy


def _without_others(registration: Registration, text: str) -> tuple[str, set[str]]:
    """The text with the kept services only, and those that it names."""
    found: set[str] = set()

    def kept(match: re.Match[str]) -> str:
        name = next(group for group in match.groups() if group)
        found.add(name)
        return match.group() if name in registration.kept else ""

    return re.sub(registration.pattern, kept, text, flags=re.MULTILINE), found
