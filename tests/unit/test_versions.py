"""Versions stand in components/versions.py, and what says them besides is derived from it."""

import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest

from components import versions
from tests import compatibility
from toolchain import bump, environments
from toolchain.bare import golang
from toolchain.bare.images import mlflow
from toolchain.console import UserError
from toolchain.paths import ROOT

DERIVED = (
    "components/versions.py",
    "components/stack-config.schema.json",
    "provider/schema.json",
    "docs/compatibility.md",
    "docs/images/*.png",
    "pyproject.toml",
    "Pulumi.yaml",
    "requirements.txt",
    "requirements.lock",
    "toolchain/bare/images/recipes/mlflow.txt",
    "toolchain/bare/go/*go.mod",
    "toolchain/bare/go/*go.sum",
    "toolchain/bare/npm/*/package-lock.json",
    "examples/typescript/package-lock.json",
)
"""What `make bump` writes, what a script makes anew, or what other tools lock."""

HISTORY = ("CHANGELOG.md", "docs/benchmarks.md", "docs/decisions/*", "tests/states/*")
"""What was so once. Links to sources elsewhere carry the version that was read, and stay too."""

CONSTANTS = {name: value for name, value in vars(versions).items() if name.isupper() and isinstance(value, str)}


def spellings() -> Iterator[str]:
    """Patterns of the versions as files would spell them."""
    for name, value in CONSTANTS.items():
        if not name.endswith(("_DIGEST", "_REPOSITORY", "_IMAGE", "_MINIMUM", "PACKAGE")):
            yield rf"(?<![\w.-])v?{re.escape(value)}(?![\w.]*\d)"
    yield from (re.escape(value) for name, value in CONSTANTS.items() if name.endswith("_DIGEST") and value)
    yield rf"Kubernetes {re.escape(versions.KUBERNETES_MINIMUM)}"
    for product, version in {"MLflow": versions.MLFLOW, "CLI": versions.PULUMI_CLI}.items():
        yield rf"{product} {re.escape(version.rpartition('.')[0])}"


def test_no_other_file_names_a_version() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = re.compile("|".join(spellings()))
    found = []
    for name in listed.splitlines():
        path = ROOT / name
        if path.is_file() and not any(fnmatch(name, pattern) for pattern in (*DERIVED, *HISTORY)):
            text = re.sub(r"https?://\S+", "", path.read_text(errors="ignore"))
            found += [f"{name}: {match[0]}" for match in known.finditer(text)]
    assert found == [], "read it from components/versions.py"


@pytest.mark.parametrize("path", bump.derived(), ids=lambda path: path.name)
def test_ranges_are_the_same_everywhere(path) -> None:
    assert path.read_text() == bump.derived()[path], "run `make bump`"


def test_every_range_is_in_the_wheel_and_in_the_requirements() -> None:
    project, listed = (ROOT / "pyproject.toml").read_text(), environments.requirements(environments.REQUIREMENTS)
    for name, allowed in versions.REQUIREMENTS.items():
        assert f'"{name}{allowed}"' in project
        assert listed[name] == f"{name}{allowed}"


def test_locks_hold_the_versions() -> None:
    assert {name: environments.locked(name) for name in versions.LOCKED} == dict(versions.LOCKED), "run `make bump`"
    assert mlflow.locked() == versions.MLFLOW, "run `make bump`"


@pytest.mark.parametrize(
    ("module", "version"),
    [("k8s.io/kubernetes", versions.KUBERNETES), ("github.com/pulumi/pulumi/pkg/v3", versions.PULUMI_CLI)],
)
def test_what_is_built_is_of_the_version_that_it_tells(module: str, version: str) -> None:
    assert f"\t{module} v{version}\n" in (golang.MODULE / "go.mod").read_text()


@pytest.mark.parametrize(
    ("folder", "module", "version"),
    [
        ("oauth2-proxy", "github.com/oauth2-proxy/oauth2-proxy/v7", versions.OAUTH2_PROXY),
        ("restic", "github.com/restic/restic", versions.RESTIC),
    ],
)
def test_what_the_tests_build_is_that_of_the_default_image(folder: str, module: str, version: str) -> None:
    assert f"require {module} v{version}\n" in (golang.MODULE / folder / "go.mod").read_text()


def test_compatibility_is_documented() -> None:
    assert compatibility.DOCUMENT.read_text() == compatibility.render(), "run `make bump`"


def test_the_toolchain_reads_the_same_versions_without_the_package() -> None:
    program = "from toolchain import versions; import sys; print(versions.MLFLOW_IMAGE, 'pulumi' in sys.modules)"
    command = [environments.INTERPRETER, "-c", program]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed == f"{versions.MLFLOW_IMAGE} False\n"


TEXT = 'MLFLOW = "1.0.0"\nMLFLOW_DIGEST = "sha256:old"\nKUBERNETES = "1.2.3"\n'
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        ("mlflow=1.0.1", "MLFLOW", 'MLFLOW = "1.0.1"\nMLFLOW_DIGEST = ""\nKUBERNETES = "1.2.3"\n'),
        (f"MLflow=v2.0.0@{DIGEST}", "MLFLOW", f'MLFLOW = "2.0.0"\nMLFLOW_DIGEST = "{DIGEST}"\nKUBERNETES = "1.2.3"\n'),
        ("kubernetes=1.2.4", "KUBERNETES", 'MLFLOW = "1.0.0"\nMLFLOW_DIGEST = "sha256:old"\nKUBERNETES = "1.2.4"\n'),
    ],
)
def test_a_bump_changes_one_version_and_its_digest(change: str, name: str, expected: str) -> None:
    assert bump.changed(TEXT, change) == (name, expected)


@pytest.mark.parametrize(
    "change", ["python=3", "mlflow", "mlflow=", "mlflow=1 2", "mlflow=1@sha256:a", f"kubernetes=1@{DIGEST}"]
)
def test_a_bump_that_makes_no_sense_is_refused(change: str) -> None:
    with pytest.raises(UserError):
        bump.changed(TEXT, change)
