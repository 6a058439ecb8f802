"""Ports in URLs, wherever they stand: no connection could ever be made, and some clients only say so at the first one."""

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Path, Problem, plain, walk
from ..arguments.database.uri import DatabaseUri

_PORT = r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#\s]*@)?(?:\[[^\]/]*\]|[^/?#\s:@]*):(\d+)(?:[/?#].*)?"


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """URLs with a port that does not exist. They are not shown, since they may hold a password."""
    for path, block in walk(args):
        if not isinstance(block, DatabaseUri):  # which tell it themselves
            for field in fields(block):  # type: ignore[arg-type]
                yield from _of(getattr(block, field.name), (*path, field.name))


def _of(value: Any, path: Path) -> Iterator[Problem]:
    known = plain(value)
    if isinstance(known, dict):
        for key, each in known.items():
            yield from _of(each, (*path, key))
    elif isinstance(known, list):
        for index, each in enumerate(known):
            yield from _of(each, (*path, index))
    elif isinstance(known, str) and (found := re.fullmatch(_PORT, known, re.DOTALL)):
        port = found[1][:9]
        if not 1 <= int(port) <= 65_535:
            yield Problem(path, f"has the port {port}, which does not exist", "use a port from 1 to 65535")
