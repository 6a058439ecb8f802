"""Go modules that are built from an edited copy.

A library that names everything it can do in one generated file makes Go compile all of it: a cloud's Terraform provider has
hundreds of services, each with its own client library, and Pulumi's Kubernetes provider takes the Go SDK of every API group
along. With the other names taken out of that file, what is left is the real thing and builds in minutes.

The copy stands in for the module by a `replace` in go.mod, since Go refuses to overlay files of its module cache.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from toolchain.console import UserError
from toolchain.paths import cache


@dataclass(frozen=True)
class Edit:
    """A change to one file.

    Attributes:
        file: Its path in the module.
        pattern: What is replaced wherever it stands. Its groups name what stands there.
        kept: Names that are left as they are; the file must hold them.
        replacement: What comes in its place.
    """

    file: str
    pattern: str
    kept: tuple[str, ...] = ()
    replacement: str = ""


@dataclass(frozen=True)
class Fork:
    """An edited copy of a module.

    Attributes:
        module: Path of the Go module.
        probe: A package of the module that imports little, for which Go downloads the module.
        edits: Changes to its files.
        folders: Folders of the module that are copied; all of it if empty.
        services: The folder that has one package for each service, if the copy leaves some out.
        kept: Packages in it that are needed.
    """

    module: str
    probe: str
    edits: tuple[Edit, ...]
    folders: tuple[str, ...] = (".",)
    services: str = ""
    kept: tuple[str, ...] = ()


METRICS_SERVER = Fork(
    module="sigs.k8s.io/metrics-server",
    probe="pkg/api/generated/openapi",
    edits=(
        # Made for a Kubernetes library two minors newer, of which it uses this one name.
        Edit(
            "pkg/api/generated/openapi/zz_generated.openapi.go",
            r"v1\.ShardInfo\{\}\.OpenAPIModelName\(\)",
            replacement='"io.k8s.apimachinery.pkg.apis.meta.v1.ShardInfo"',
        ),
    ),
)


def _emptied(package: str, *files: str) -> tuple[Edit, ...]:
    """Files of a package that are left with nothing in them."""
    return tuple(Edit(file, r"\A(?s:.*)\Z", replacement=f"package {package}\n") for file in files)


# Kubernetes' own tests share two files with its programs, by which these take along a fake of each of its clients.
APISERVER = Fork(
    module="k8s.io/apiserver",
    probe="pkg/authentication/user",
    edits=_emptied("generic", "pkg/admission/plugin/policy/generic/policy_test_context.go"),
)
KUBERNETES = Fork(
    module="k8s.io/kubernetes",
    probe="pkg/util/hash",
    edits=_emptied("queue", "pkg/scheduler/backend/queue/testing.go"),
    folders=("cmd", "pkg", "plugin", "third_party"),
)

# The provider's own components (YAML files, charts, directories of Kustomize), which this project does not use, take along Pulumi's
# SDK for Go, of Kubernetes too. Releases of Helm, which are not among them, need two functions of what they share.
_KUBERNETES_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_SHARED_IMPORTS = (
    *("context", "fmt", "net/http", "net/url", "os", "path/filepath"),
    *("helm.sh/helm/v3/pkg/cli", "helm.sh/helm/v3/pkg/registry"),
    *("oras.land/oras-go/v2/registry/remote/auth", "oras.land/oras-go/v2/registry/remote/credentials"),
    *("github.com/pulumi/pulumi/sdk/v3/go/common/util/logging", f"{_KUBERNETES_PROVIDER}/pkg/logging"),
)
KUBERNETES_PROVIDER = Fork(
    module=_KUBERNETES_PROVIDER,
    probe="pkg/version",
    edits=(
        *_emptied("provider", "pkg/provider/provider_construct.go"),
        Edit(
            "pkg/provider/provider.go",
            r"^\t+(?:providerresource \".*\"|resourceProviders(?: map.*|: +resourceProviders,))\n",
        ),
        Edit(
            "pkg/helm/tool.go",
            r"^\t(?:\w+ )?\"([^\"]+)\"\n|^(?:func|type) (?:\(.*?\) )?(\w+)(?:.*[^{(,\n]\n|(?s:.*?)^[})].*\n)",
            kept=(*_SHARED_IMPORTS, "NewRegistryClient", "debugStream"),
        ),
        *_emptied("helm", *(f"pkg/helm/{name}.go" for name in ("fake", "keyring", "values"))),
    ),
    folders=("pkg",),
)

# Local stacks keep state in files and secrets behind a passphrase. Clouds' buckets, keys and logs need three clouds' clients.
PULUMI = Fork(
    module="github.com/pulumi/pulumi/pkg/v3",
    probe="version",
    edits=(
        Edit(
            "backend/diy/backend.go",
            r"^\t(?:_ )?\"gocloud\.dev/blob/(\w+)\".*\n|^\t\".*/pkg/v3/(authhelpers)\"\n"
            r"|^\tif p\.Scheme == (gcsblob)\.Scheme \{\n(?:\t\t.*\n)+\t\}\n",
            kept=("fileblob",),
        ),
        Edit(
            "secrets/cloud/manager.go",
            r"^\t(?:_ )?\"gocloud\.dev/secrets/(\w+)\".*\n|^\t\".*/(authhelpers|cloudkms/v1)\"\n"
            r"|^\tcase (gcpkms)\.Scheme:\n(?:\t\t.*\n|\n)+",
        ),
        # Components of plugins in Go, of which there are none here, would take along the SDK for Go.
        *_emptied("provider", "resource/provider/component_provider.go"),
        Edit("operations/resources.go", r"^\tcase \"(aws|cloud|gcp)\":\n.*\n"),
        *_emptied("operations", *(f"operations/operations_{name}.go" for name in ("aws", "cloud_aws", "gcp"))),
    ),
)

# The random provider's bridge takes this along, to read Terraform modules from anywhere.
GO_GETTER = Fork(
    module="github.com/hashicorp/go-getter",
    probe="helper/url",
    edits=(
        Edit("get.go", r"^\t\t\"(gcs|s3)\": .*\n"),
        *_emptied("getter", *(f"get_{name}.go" for name in ("gcs", "s3"))),
    ),
)


# The bridge to Terraform can translate examples to every language that Pulumi knows. Nothing here is translated.
BRIDGE = Fork(
    module="github.com/pulumi/pulumi-terraform-bridge/v3",
    probe="pkg/reservedkeys",
    edits=tuple(
        Edit(
            file,
            r"^\thcl2(yaml|java) \".*\n|^\tcase (?:Language|\")(?i:(yaml|java))\"?:\n(?:\t\t.*\n)+",
        )
        for file in ("pkg/tfgen/convert_cli.go", "pkg/tf2pulumi/convert/convert.go")
    ),
    folders=("internal", "pkg", "unstable"),
)

BRIDGED = (BRIDGE, GO_GETTER, PULUMI)
"""What every provider on the bridge is built with."""


def _aws() -> Fork:
    services = ("account", "ec2", "eks", "iam", "kms", "logs", "meta", "organizations", "rds", "s3", "s3control", "sts")
    clients = tuple(
        {"logs": "cloudwatchlogs"}.get(name, name) for name in services if name != "meta"
    )  # names of the SDK's packages
    return Fork(
        module="github.com/hashicorp/terraform-provider-aws",
        probe="version",
        edits=(
            Edit(
                "internal/provider/sdkv2/service_packages_gen.go",
                r"^\t+(?:\".*/internal/service/(\w+)\"|(\w+)\.ServicePackage\(ctx\),)\n",
                services,
            ),
            Edit(
                "internal/conns/awsclient_gen.go",
                r"^(?:\t\".*/aws-sdk-go-v2/service/(\w+)\"\n|func \(.*\) \w+Client\(.*\) \*(\w+)\.Client \{\n.*\n\}\n+)",
                clients,
            ),
        ),
        folders=("internal", "names", "version"),
        services="internal/service",
        kept=services,
    )


def _gcp() -> Fork:
    services = ("compute", "resourcemanager", "servicenetworking", "sql", "storage")
    # What these import of others.
    imported = ("cloudbilling", "iambeta", "iamcredentials", "pubsub", "resourcemanagerv3", "serviceusage")
    return Fork(
        module="github.com/hashicorp/terraform-provider-google",
        probe="version",
        edits=(Edit("google/provider/provider_register_services.go", r"^\t_ \".*/services/(\w+)\"\n", services),),
        folders=("google", "version"),
        services="google/services",
        kept=(*services, *imported),
    )


AWS = _aws()
GCP = _gcp()


def make(fork: Fork, source: Path) -> Path:
    """The edited copy, as a module of its own.

    Args:
        fork: What to change.
        source: Where Go keeps the module.

    Returns:
        A folder of the cache.

    Raises:
        UserError: The module does not look as expected.
    """
    copy = cache("go", "forks", hashlib.sha256(repr((fork, source.name)).encode()).hexdigest()[:16])
    if copy.exists():
        return copy
    copy.parent.mkdir(parents=True, exist_ok=True)
    # A folder of its own for each, since a download ahead may make the same copy.
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=copy.parent))
    services = source / fork.services

    def unwanted(folder: str, names: list[str]) -> set[str]:
        place = Path(folder)
        # Of the other services only the code is left out: a package may embed their further files by a pattern.
        other = fork.services and services in place.parents and place.relative_to(services).parts[0] not in fork.kept
        return {name for name in names if name.endswith(".go" if other else "_test.go") or name == "testdata"}

    for folder in fork.folders:
        # Not copy2: Go keeps its sources read-only.
        shutil.copytree(
            source / folder, unfinished / folder, copy_function=shutil.copyfile, ignore=unwanted, dirs_exist_ok=True
        )
    shutil.copyfile(source / "go.mod", unfinished / "go.mod")
    for folder in (unfinished, *(path for path in unfinished.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    for edit in fork.edits:
        file = unfinished / edit.file
        text, missing = _edited(edit, file.read_text())
        if missing:
            raise UserError(
                f"{source / edit.file} does not name {', '.join(missing)}", "Bring toolchain/bare/forks.py up to date."
            )
        file.write_text(text)
    try:
        unfinished.rename(copy)
    except OSError:  # another one was quicker
        shutil.rmtree(unfinished)
    return copy


def _edited(edit: Edit, text: str) -> tuple[str, list[str]]:
    """The edited text, and what it should hold and does not."""
    found: set[str] = set()

    def replaced(match: re.Match[str]) -> str:
        name = next((group for group in match.groups() if group), "")
        found.add(name)
        return match.group() if name in edit.kept else edit.replacement

    edited = re.sub(edit.pattern, replaced, text, flags=re.MULTILINE)
    return edited, sorted(set(edit.kept) - found) if found else [edit.pattern]
