"""Stack configuration to arguments: the `mlflow:` keys of `Pulumi.<stack>.yaml`."""

import dataclasses
import json
import re
from typing import Any

import pulumi
from pydantic.alias_generators import to_camel

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem
from .conversion import ConfigurationError, to_arguments

NAMESPACE = "mlflow"
"""Prefix of the configuration keys."""
MISSPELT = "[mM]?[lL]?[-_]?[fF]?[lL]?[oO]?[wW]?:"
"""The same with letters left out or in another case. Pulumi would take such a key for that of another package and ignore it."""


def load_arguments() -> MlflowDeploymentArgs:
    """Read and check the arguments from the configuration of the current stack.

    Returns:
        The arguments. Values that are encrypted in the configuration are also encrypted in the state, in every field that
        is meant for a secret.

    Raises:
        ConfigurationError: Lists all problems with their configuration path.
    """
    config = pulumi.runtime.config.CONFIG.get() or pulumi.runtime.config.get_config_env()
    texts = {f.name for f in dataclasses.fields(MlflowDeploymentArgs) if f.type is str}
    values: dict[str, Any] = {}
    hidden: set[str] = set()
    for full, raw in config.items():
        prefix, _, key = full.partition(":")
        if prefix != NAMESPACE:
            if re.match(MISSPELT, full):
                raise ConfigurationError(
                    [Problem((key,), "unknown key", f"did you mean {NAMESPACE}:{key}?")], f"{prefix}:"
                )
            continue
        name = next((f.name for f in dataclasses.fields(MlflowDeploymentArgs) if to_camel(f.name) == key), key)
        values[key] = raw if name in texts else _parse(raw)
        if pulumi.runtime.is_config_secret(full):
            hidden.add(name)
    return to_arguments(values, prefix=f"{NAMESPACE}:", hide=frozenset(hidden))


def _parse(raw: Any) -> Any:
    """The engine passes every value as text, structured ones as JSON."""
    try:
        return json.loads(raw) if isinstance(raw, str) else raw
    except ValueError:
        return raw
