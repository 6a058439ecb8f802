"""The local state backend, with its passphrase: where stacks are kept unless the user has chosen another place."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from toolchain.files import write
from toolchain.paths import ROOT, state


def is_local() -> bool:
    """Whether the user has left the choice to us."""
    return "PULUMI_BACKEND_URL" not in os.environ


def local_state() -> Path:
    """The folder of the local state backend."""
    return state("pulumi")


def variables() -> dict[str, str]:
    """Environment variables that choose the local state backend."""
    return {"PULUMI_BACKEND_URL": local_state().as_uri()}


def passphrase_file() -> Path:
    """The file with the passphrase that encrypts the secrets of local stacks, made once."""
    path = state("passphrase")
    if not path.exists():
        write(path, secrets.token_urlsafe(32), private=True)
    return path


def project() -> str:
    """Name of the project in Pulumi.yaml."""
    found = re.search(r"^name:\s*[\"']?([\w.-]+)", (ROOT / "Pulumi.yaml").read_text(), re.MULTILINE)
    return found.group(1) if found else "mlflow"


def checkpoint(name: str) -> Path:
    """The file in which the backend keeps a stack."""
    return local_state() / ".pulumi" / "stacks" / project() / f"{name}.json"


def holds(name: str) -> bool:
    """Whether the backend has the stack."""
    return bool(_files(name))


def forget(name: str) -> None:
    """Delete the stack's file and its backups."""
    for path in _files(name):
        path.unlink()


def _files(name: str) -> list[Path]:
    """The stack's file, compressed if the user wants that, and its backups."""
    return list(checkpoint(name).parent.glob(f"{name}.json*"))


def locks(name: str) -> list[Path]:
    """The files with which a running Pulumi, or a killed one, keeps a stack for itself."""
    return list((local_state() / ".pulumi" / "locks").glob(f"**/{project()}/{name}/*.json"))
