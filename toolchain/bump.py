"""Versions: change those in components/versions.py and write what is derived from them."""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from toolchain import checks, environments, versions
from toolchain.bare.images import mlflow
from toolchain.console import UserError, run, say, step
from toolchain.paths import ROOT, state

_CONSTANT = re.compile(r'^([A-Z0-9_]+) = "(.*)"$', re.MULTILINE)

_IMAGES = {name.removesuffix("_IMAGE") for name in vars(versions) if name.endswith("_IMAGE")}

_GO = "Require the same version in toolchain/bare/go (`go get`, then `go mod tidy`); tests/unit/test_versions.py compares them."

_BY_HAND = {
    "PACKAGE": "Give the section Unreleased of CHANGELOG.md its number and date; CONTRIBUTING.md says how to publish.",
    "MLFLOW": "Read its release notes for changed options, schema and artifact repositories; take the pictures of the documentation anew "
    "(`python -m tests.screenshots`) and the transcripts of the runbook (`python -m tests.transcripts`); run `make test` and `make test-all`.",
    "KUBERNETES": _GO,
    "PULUMI_CLI": _GO,
    "PULUMI_KUBERNETES": _GO,
    "PULUMI_RANDOM": _GO,
    "OAUTH2_PROXY": _GO,
    "RESTIC": _GO,
    "PULUMI_AWS": "Require the provider's new upstream version in toolchain/bare/go/aws.",
    "PULUMI_GCP": "Require the provider's new upstream version in toolchain/bare/go/gcp.",
    "POSTGRESQL": "A new major version cannot read the data of an older one; a minor one restarts the pod.",
    "MARIADB": "A new version upgrades the data when the pod restarts, and an older one no longer reads them.",
}
"""What `bump` cannot do, by constant."""


def bump(changes: Sequence[str]) -> None:
    """Change versions, and write everything that is derived from components/versions.py.

    Args:
        changes: Such as `mlflow=3.0.0` or `postgresql=17.0@sha256:…`; without any, only what is derived is written.

    Raises:
        UserError: A change names no version, or no set of packages fits the new ones.
    """
    text = versions.FILE.read_text()
    names = []
    for change in changes:
        name, text = changed(text, change)
        names.append(name)
    versions.FILE.write_text(text)
    importlib.reload(versions)
    for path, made in derived().items():
        path.write_text(made)
    if mlflow.locked() != versions.MLFLOW:
        with step("locking the packages of the MLflow image"):
            mlflow.lock()
    environments.compile_lock(upgrade=False)
    checks.schema()
    python = environments.python(environments.ensure("test"))
    run([python, "-m", "tests.compatibility", "--write"], log=state("logs", "bump.log"), cwd=ROOT)
    subprocess.run(["git", "status", "--short"], cwd=ROOT, check=False)
    for name in names:
        say(f"  {name.lower()}: {_BY_HAND.get(name, 'Read its release notes.')}")
    if names:
        say("  Say in CHANGELOG.md what changes for users, and run `make lint` and `make test`.")


def changed(text: str, change: str) -> tuple[str, str]:
    """Change one version in the text of components/versions.py.

    Args:
        text: The file's text.
        change: `name=version`, for images also `name=version@digest`. A bump without digest drops the old one.

    Returns:
        The constant's name, and the new text.

    Raises:
        UserError: There is no such version, or the change is not written as above.
    """
    known = {name for name, _ in _CONSTANT.findall(text) if not name.endswith(("_DIGEST", "_REPOSITORY"))}
    wanted, _, value = change.partition("=")
    name = wanted.strip().upper().replace("-", "_")
    if name not in known:
        listed = ", ".join(sorted(each.lower().replace("_", "-") for each in known))
        raise UserError(f"{wanted!r} is not a version of this project", f"Use one of: {listed}.")
    version, _, digest = value.strip().removeprefix("v").partition("@")
    if not re.fullmatch(r"[\w][\w.-]*", version) or (digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest)):
        raise UserError(f"{value!r} is not a version", 'Write for example ARGS="postgresql=17.0@sha256:…".')
    if digest and name not in _IMAGES:
        raise UserError(f"{wanted} is not an image and has no digest", "Leave it out.")
    for constant, new in ((name, version), *([(f"{name}_DIGEST", digest)] if name in _IMAGES else [])):
        text = re.sub(rf'^{constant} = ".*"$', f'{constant} = "{new}"', text, flags=re.MULTILINE)
    return name, text


def derived() -> dict[Path, str]:
    """What hand-written files say about the versions, as it must be, by file."""
    requirements, project, program = environments.REQUIREMENTS, ROOT / "pyproject.toml", ROOT / "Pulumi.yaml"
    texts = {path: path.read_text() for path in (requirements, project)}
    for name, allowed in versions.REQUIREMENTS.items():
        for path, text in texts.items():
            texts[path] = re.sub(rf"(?<![\w-]){name}[<>=][\w.,<>=]*", f"{name}{allowed}", text)
    needed = rf"\g<1>{versions.PULUMI_CLI_MINIMUM}"
    return {**texts, program: re.sub(r'(requiredPulumiVersion: ">=)[\d.]+', needed, program.read_text())}
