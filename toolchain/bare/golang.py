"""Builds from Go module sources what a bare machine lacks: the Pulumi CLI, its plugins, and Kubernetes.

What a bare machine needs comes from the one module in `go/`, so that its commands share their dependencies; what only
tests need has modules of its own. Results are cached by content; Go's own caches stay where the user's Go keeps them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolchain import versions
from toolchain.bare import forks
from toolchain.bare.forks import Fork
from toolchain.bare.modules import MODULE, check_go, folder_of, go
from toolchain.console import Step, UserError, run, step
from toolchain.paths import cache, lock, state

_PULUMI = "github.com/pulumi/pulumi"
_OAUTH2_PROXY = "github.com/oauth2-proxy/oauth2-proxy/v7"


@dataclass(frozen=True)
class Component:
    """One binary.

    Attributes:
        package: Go package, relative to the module or a full import path.
        minutes: Rough time of a cold build on two cores.
        module: Folder of the Go module, below `go/`.
        symbols: Variables that the linker sets.
        sources: Folders of our own code that the binary is made of.
        forks: Modules that an edited copy stands in for.
    """

    package: str
    minutes: float
    module: str = "."
    symbols: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    forks: tuple[Fork, ...] = ()


def _kubernetes_symbols() -> tuple[str, ...]:
    major, minor, _ = versions.KUBERNETES.split(".")
    where = "k8s.io/component-base/version"
    return (f"{where}.gitVersion=v{versions.KUBERNETES}", f"{where}.gitMajor={major}", f"{where}.gitMinor={minor}")


def _cloud_provider(name: str, version: str, minutes: float, fork: Fork) -> dict[str, Component]:
    """A provider plugin of which only a part is built, and the generator of its schema."""
    commands = {f"pulumi-tfgen-{name}": minutes, f"pulumi-resource-{name}": 1}
    return {
        command: Component(
            f"./cmd/{command}",
            expected,
            module=name,
            symbols=(f"main.version={version}",),
            sources=(name,),
            forks=(*forks.BRIDGED, fork),
        )
        for command, expected in commands.items()
    }


COMPONENTS: dict[str, Component] = {
    "kubernetes": Component(
        "./cmd/kubernetes",
        4,
        symbols=_kubernetes_symbols(),
        sources=("cmd/kubernetes",),
        forks=(forks.APISERVER, forks.KUBERNETES),
    ),
    "etcd": Component("./cmd/etcd", 0.5, sources=("cmd/etcd",)),
    "pause": Component("./cmd/pause", 0.1, sources=("cmd/pause",)),
    "coredns": Component("./cmd/coredns", 0.5, sources=("cmd/coredns",)),
    "local-path": Component("./cmd/local-path", 0.2, sources=("cmd/local-path",)),
    "metrics-server": Component(
        "./cmd/metrics-server", 0.5, sources=("cmd/metrics-server",), forks=(forks.APISERVER, forks.METRICS_SERVER)
    ),
    "pod-security": Component("./cmd/pod-security", 0.3, sources=("cmd/pod-security",)),
    "kube-score": Component(".", 1, module="kube-score", sources=("kube-score",)),
    "pulumi": Component(
        f"{_PULUMI}/pkg/v3/cmd/pulumi",
        2,
        symbols=(f"{_PULUMI}/sdk/v3/go/common/version.Version={versions.PULUMI_CLI}",),
        forks=(forks.PULUMI,),
    ),
    # One program is the host of two languages, see `pulumi._together`.
    "pulumi-language": Component(
        "./cmd/pulumi-language",
        0.5,
        symbols=(f"{_PULUMI}/sdk/v3/go/common/version.Version={versions.PULUMI_CLI}",),
        sources=("cmd/pulumi-language",),
        forks=(forks.PULUMI,),
    ),
    "pulumi-language-yaml": Component(
        "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml", 0.5, forks=(forks.PULUMI,)
    ),
    # Only tests use these, so that no user waits for them.
    "minio": Component("github.com/minio/minio", 3, module="minio"),
    "oauth2-proxy": Component(
        _OAUTH2_PROXY,
        2,
        module="oauth2-proxy",
        symbols=(f"{_OAUTH2_PROXY}/pkg/version.VERSION=v{versions.OAUTH2_PROXY}",),
    ),
    "actionlint": Component("github.com/rhysd/actionlint/cmd/actionlint", 0.3, module="actionlint"),
    "helm": Component("helm.sh/helm/v3/cmd/helm", 2, module="helm", forks=(forks.APISERVER,)),
    "fake-gcs-server": Component("github.com/fsouza/fake-gcs-server", 1, module="fake-gcs-server"),
    "restic": Component("github.com/restic/restic/cmd/restic", 1, module="restic"),
    "pulumi-resource-kubernetes": Component(
        "./cmd/pulumi-resource-kubernetes",
        2,
        symbols=(f"main.version={versions.PULUMI_KUBERNETES}",),
        sources=("cmd/pulumi-resource-kubernetes",),
        forks=(forks.APISERVER, forks.KUBERNETES_PROVIDER, forks.PULUMI),
    ),
    "pulumi-tfgen-random": Component(
        "./cmd/pulumi-tfgen-random",
        1,
        symbols=(f"main.version={versions.PULUMI_RANDOM}",),
        sources=("cmd/pulumi-tfgen-random", "random", "random-shim"),
        forks=forks.BRIDGED,
    ),
    "pulumi-resource-random": Component(
        "./cmd/pulumi-resource-random",
        1,
        symbols=(f"main.version={versions.PULUMI_RANDOM}",),
        sources=("cmd/pulumi-resource-random", "random", "random-shim"),
        forks=forks.BRIDGED,
    ),
    **_cloud_provider("aws", versions.PULUMI_AWS, 5, forks.AWS),
    **_cloud_provider("gcp", versions.PULUMI_GCP, 1, forks.GCP),
}


# Debug information would be stripped in the end (-s -w), and making it takes an eighth of the time.
_PLAIN = "-dwarf=false"
# A fifth goes into inlining (-l leaves it out), without which what runs all the time needs half as much again: only long code that
# seldom runs does without.
_SELDOM = (
    "github.com/aws/aws-sdk-go-v2/service/...",
    "github.com/hashicorp/terraform-provider-aws/...",
    "github.com/hashicorp/terraform-provider-google/...",
    "github.com/minio/minio/...",
    "github.com/pulumi/pulumi-terraform-bridge/v3/...",
    "github.com/pulumi/pulumi/pkg/v3/codegen/...",
    *(f"k8s.io/client-go/{made}/..." for made in ("applyconfigurations", "informers", "kubernetes", "listers")),
    "k8s.io/kubectl/...",
    "k8s.io/kubernetes/...",
)
_COMPILER = (f"-gcflags=all={_PLAIN}", *(f"-gcflags={packages}={_PLAIN} -l" for packages in _SELDOM))


PYTHON_EXECUTOR = "pulumi-language-python-exec"
"""The SDK's program that runs programs in Python, which is in the folder of the host."""


def build(names: Iterable[str]) -> dict[str, Path]:
    """Paths of the binaries, built first where the cache does not hold them.

    Args:
        names: Keys of `COMPONENTS`.

    Raises:
        UserError: Go is missing or too old, or a build failed; the next call goes on where this one ended.
    """
    wanted = list(dict.fromkeys(names))
    paths = {name: _path(name) for name in wanted}
    if all(path.exists() for path in paths.values()):
        return paths
    with lock("go", "a build from Go sources"):
        missing = [name for name in wanted if not paths[name].exists()]
        if missing:
            check_go()
        for name in missing:
            _build_one(name, paths[name])
    return paths


def download(names: Iterable[str]) -> None:
    """Fetch the modules that builds will need, while something else is compiled.

    Args:
        names: Keys of `COMPONENTS`; those that are built already need nothing.

    Raises:
        UserError: A download failed.
    """
    together: dict[tuple[str, tuple[Fork, ...]], list[Component]] = {}
    for component in (COMPONENTS[name] for name in names if not built(name)):
        together.setdefault((component.module, component.forks), []).append(component)
    for components in together.values():
        packages = [component.package for component in components]
        with step(f"downloading the Go modules of {', '.join(Path(package).name for package in packages)}") as doing:
            forked = _forked(components[0], doing)
            # Not `go mod download`, which wants version records that are not served for every module.
            go(["list", "-deps", *forked, *packages], components[0].module, "download", doing)


def built(name: str) -> bool:
    """Whether the cache holds a binary already."""
    return _path(name).exists()


def _path(name: str) -> Path:
    return cache("go", key(name), name)


def key(name: str) -> str:
    """What changes with everything that a binary is made of."""
    component = COMPONENTS[name]
    folder = MODULE / component.module
    digest = hashlib.sha256(repr((component, os.uname().machine)).encode())
    files = [folder / "go.mod", folder / "go.sum"]
    for source in component.sources:
        files += sorted(p for p in (MODULE / source).rglob("*") if p.suffix in (".go", ".mod"))
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _build_one(name: str, path: Path) -> None:
    component = COMPONENTS[name]
    expect = f"about {component.minutes:.0f} min when nothing is cached" if component.minutes >= 1 else ""
    generated: dict[str, Path] = {}
    generator = name.replace("-resource-", "-tfgen-")
    if generator != name and generator in COMPONENTS:
        generated = _schema(build_locked(generator))
    with step(f"building {name} from Go modules", expect) as doing:
        if name == "pulumi-resource-kubernetes":
            command = folder_of(MODULE, forks.KUBERNETES_PROVIDER.module, "pkg/provider", doing) / "cmd" / name
            generated = {file: command / file for file in ("schema.json", "terraform-mapping.json")}
        more = _forked(component, doing)
        if generated:
            more += ["-overlay", _overlay(generated, name)]
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{name}.unfinished")
        symbols = " ".join(f"-X {symbol}" for symbol in component.symbols)
        linker = f"-ldflags=-s -w {symbols}"
        command = ["build", "-v", "-trimpath", *_COMPILER, linker, *more, "-o", unfinished, component.package]
        go(command, component.module, name, doing)
        if name == "pulumi-language":
            sdk = folder_of(MODULE, f"{_PULUMI}/sdk/v3", "go/common/version", doing)
            shutil.copy(sdk / "python" / "cmd" / PYTHON_EXECUTOR, path.with_name(PYTHON_EXECUTOR))
            path.with_name(PYTHON_EXECUTOR).chmod(0o755)
        unfinished.replace(path)


def build_locked(name: str) -> Path:
    """`build` of one binary for a caller that holds the lock already."""
    path = _path(name)
    if not path.exists():
        _build_one(name, path)
    return path


def _schema(tfgen: Path) -> dict[str, Path]:
    """The schema and the bridge's metadata, written by the generator."""
    folder = tfgen.parent
    if not (folder / "schema.json").exists():
        with step(f"generating a schema with {tfgen.name}") as doing:
            made = folder / "generated"
            made.mkdir(exist_ok=True)
            run(
                [tfgen, "schema", "--out", made],
                log=state("logs", f"go-{tfgen.name}-schema.log"),
                doing=doing,
                cwd=made,
            )
            (made / "bridge-metadata.json").replace(folder / "bridge-metadata.json")
            (made / "schema.json").replace(folder / "schema.json")
    return {file: folder / file for file in ("schema.json", "bridge-metadata.json")}


def _overlay(files: dict[str, Path], name: str) -> Path:
    """A file that tells Go to read what is embedded in a command from where it was generated."""
    path = cache("go", "overlays", f"{name}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    command = MODULE / COMPONENTS[name].module / "cmd" / name
    replace = {str(command / file): str(source) for file, source in files.items()}
    path.write_text(json.dumps({"Replace": replace}))
    return path


def _forked(component: Component, doing: Step) -> list[str | Path]:
    """Options of `go` for a go.mod with the forks in place of the modules that they are copies of."""
    if not component.forks:
        return []
    original = MODULE / component.module / "go.mod"
    content = original.read_text()
    for fork in component.forks:
        source = folder_of(original.parent, fork.module, fork.probe, doing)
        content = re.sub(rf"^\t{re.escape(fork.module)} => .*\n", "", content, flags=re.MULTILINE)
        content += f"\nreplace {fork.module} => {forks.make(fork, source)}\n"
    path = cache("go", "forks", hashlib.sha256(content.encode()).hexdigest()[:16] + ".mod")
    path.write_text(content)
    shutil.copyfile(original.with_suffix(".sum"), path.with_suffix(".sum"))
    return ["-modfile", path]


if __name__ == "__main__":
    try:
        for program in build(sys.argv[1:] or COMPONENTS).values():
            print(program)
    except UserError as error:
        sys.exit(f"error: {error}")
