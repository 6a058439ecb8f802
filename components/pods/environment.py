"""The environment that the user adds to every container that runs MLflow."""

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input, ValueFromArgs
from ..contracts import SecretValue
from .objects import Scope, plain_environment, secret_environment, unique


def own_environment(scope: Scope) -> list[k8s.core.v1.EnvVarArgs]:
    """What `server` says of MLflow as a whole, and the user's own variables; makes a Secret for the secret ones."""
    server = scope.args.server
    settings: dict[str, Input[str]] = {}
    if not server.telemetry:
        settings |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    if server.log_level is not None:
        settings["MLFLOW_LOGGING_LEVEL"] = server.log_level.value
    secrets: dict[str, SecretValue] = {
        name: pulumi.Output.secret(value) for name, value in (server.secret_env or {}).items()
    }
    if server.workspaces is not None:
        settings["MLFLOW_ENABLE_WORKSPACES"] = "true"
        if server.workspaces.store_uri is not None:
            secrets["MLFLOW_WORKSPACE_STORE_URI"] = pulumi.Output.secret(server.workspaces.store_uri)
    references = [
        k8s.core.v1.EnvVarArgs(name=name, value_from=_source(source)) for name, source in server.value_from.items()
    ]
    return unique(
        plain_environment({**settings, **server.env}),
        secret_environment(scope, f"{scope.name}-environment", "server", secrets),
        references,
    )


def _source(args: ValueFromArgs) -> k8s.core.v1.EnvVarSourceArgs:
    if args.secret is not None:
        secret = k8s.core.v1.SecretKeySelectorArgs(
            name=args.secret.name, key=args.secret.key, optional=args.secret.optional or None
        )
        return k8s.core.v1.EnvVarSourceArgs(secret_key_ref=secret)
    if args.config_map is not None:
        config_map = k8s.core.v1.ConfigMapKeySelectorArgs(
            name=args.config_map.name, key=args.config_map.key, optional=args.config_map.optional or None
        )
        return k8s.core.v1.EnvVarSourceArgs(config_map_key_ref=config_map)
    if args.field is not None:
        return k8s.core.v1.EnvVarSourceArgs(field_ref=k8s.core.v1.ObjectFieldSelectorArgs(field_path=args.field))
    return k8s.core.v1.EnvVarSourceArgs(
        resource_field_ref=k8s.core.v1.ResourceFieldSelectorArgs(resource=args.resource or "")
    )


def environment_sources(scope: Scope) -> list[k8s.core.v1.EnvFromSourceArgs]:
    """Existing Secrets and ConfigMaps as a whole."""
    return [
        k8s.core.v1.EnvFromSourceArgs(
            prefix=source.prefix or None,
            secret_ref=None
            if source.secret is None
            else k8s.core.v1.SecretEnvSourceArgs(name=source.secret, optional=source.optional or None),
            config_map_ref=None
            if source.config_map is None
            else k8s.core.v1.ConfigMapEnvSourceArgs(name=source.config_map, optional=source.optional or None),
        )
        for source in scope.args.server.env_from
    ]
