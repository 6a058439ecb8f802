"""Generated configurations with all that they leave out, as far as it can be said: every default, and what is rarely given."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from components import MlflowDeploymentArgs
from components.arguments.base import Block

RARE: Mapping[str, Any] = {
    "artifacts.awsBucket.bucket": "models-of-tests",
    "artifacts.azureContainer.accountName": "accountoftests",
    "artifacts.gcpBucket.location": "EUROPE-WEST3",
    "artifacts.gcs.transferTimeoutSeconds": 600,
    "artifacts.gcs.uploadChunkMb": 16,
    "artifacts.gcs.downloadChunkMb": 16,
    "auth.ldap.resources.cpuLimit": "1",
    "auth.oidc.resources.cpuLimit": "1",
    "auth.oidc.endpoints.profileUrl": "https://id.example.com/profile",
    "database.aurora.backup.window": "03:00-04:00",
    "database.aurora.port": 5433,
    "database.azureFlexibleServer.name": "database-of-tests",
    "database.postgresql.connectionLimit": 10_000,
    "database.rds.backup.window": "03:00-04:00",
    "database.rds.port": 5433,
    "garbageCollection.resources.cpuLimit": "1",
    "identity.azureWorkloadIdentity.name": "identity-of-tests",
    "identity.gcpServiceAccount.accountId": "account-of-tests",
    "keys.existingSecret.webhookSecretEncryptionKeyKey": "webhook",
    "monitoring.alerts.namespace": "alerts",
    "pod.probes.liveness.failureThreshold": 5,
    "pod.probes.liveness.timeoutSeconds": 5,
    "pod.probes.readiness.failureThreshold": 5,
    "pod.probes.readiness.periodSeconds": 5,
    "route.parentRefs.sectionName": "https",
    "route.timeouts.backendRequest": "30m",
}
"""Values of arguments without a default, by their dotted path; they are valid wherever their block is."""


def spelled_out(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with defaults written out, which means the same, and with what is in `RARE`."""
    return _block(configuration, MlflowDeploymentArgs, ())


def arguments(block: type[Block] = MlflowDeploymentArgs, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Dotted paths of all arguments, as in stack files."""
    for name, field in _fields(block).items():
        here = (*path, to_camel(name))
        yield ".".join(here)
        for inner in _blocks_in(field.annotation):
            yield from arguments(inner, here)


def given(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Dotted paths of all keys in a configuration."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if path[-1:] == ("valueFrom",):  # a name that the user chose
                yield from (".".join((*path, inner)) for inner in given(item))
                continue
            yield ".".join((*path, str(key)))
            yield from given(item, (*path, str(key)))
    elif isinstance(value, list):
        for item in value:
            yield from given(item, path)


def _block(value: Mapping[str, Any], block: type[Block], path: tuple[str, ...]) -> dict[str, Any]:
    made = dict(value)
    for name, field in _fields(block).items():
        key = to_camel(name)
        here = (*path, key)
        if key in value:
            made[key] = _inside(value[key], field.annotation, here)
        elif ".".join(here) in RARE:
            made[key] = RARE[".".join(here)]
        elif not field.is_required():
            default = _plain(field.get_default(call_default_factory=True))
            if default is not None:
                made[key] = _inside(default, field.annotation, here)
    return made


def _inside(value: Any, annotation: Any, path: tuple[str, ...]) -> Any:
    blocks = list(_blocks_in(annotation))
    if len(blocks) != 1:
        return value
    if isinstance(value, list):
        return [_inside(item, annotation, path) for item in value]
    if not isinstance(value, Mapping):
        return value
    if getattr(annotation, "__origin__", None) is dict:  # by names that the user chose
        return {name: _block(item, blocks[0], path) for name, item in value.items()}
    return _block(value, blocks[0], path)


def _plain(value: Any) -> Any:
    """As a stack file says it."""
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {to_camel(field.name): _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {name: item for name, item in fields.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _fields(block: type[Block]) -> Mapping[str, Any]:
    return getattr(block, "__pydantic_fields__")  # noqa: B009 - pydantic adds it


def _blocks_in(annotation: Any) -> Iterator[type[Block]]:
    if isinstance(annotation, type) and issubclass(annotation, Block):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _blocks_in(inner)
