"""Environment variables: plain ones, secret ones by reference, and the user's for every container that runs MLflow."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input, ValueFromArgs
from ..contracts import SecretKey, SecretValue
from .part import PodPart
from .scope import Scope
from .volumes import secret


def plain_environment(values: Mapping[str, Input[str]]) -> list[k8s.core.v1.EnvVarArgs]:
    """Environment variables with their values in the pod specification."""
    return [k8s.core.v1.EnvVarArgs(name=name, value=value) for name, value in values.items()]


def secret_environment(
    scope: Scope, purpose: str, component: str, values: Mapping[str, SecretValue]
) -> list[k8s.core.v1.EnvVarArgs]:
    """Environment variables that refer to a Secret by name and key.

    Given values go into one new Secret. Pulumi generates its name, which changes with its content, so that a changed value
    rolls the pods that refer to it.
    """
    given = {name: value for name, value in values.items() if not isinstance(value, SecretKey)}
    made: Input[str] | None = None
    if given:
        made = secret(scope, purpose, component, given)
    variables = []
    for name, value in values.items():
        if not isinstance(value, SecretKey):
            assert made is not None, "a value that is given is in the Secret"
            value = SecretKey(name=made, key=name)
        variables.append(secret_reference(name, value))
    return variables


def secret_reference(name: str, key: SecretKey) -> k8s.core.v1.EnvVarArgs:
    """An environment variable that refers to a key of a Secret or ConfigMap."""
    if key.config_map:
        mapped = k8s.core.v1.ConfigMapKeySelectorArgs(name=key.name, key=key.key)
        return k8s.core.v1.EnvVarArgs(name=name, value_from=k8s.core.v1.EnvVarSourceArgs(config_map_key_ref=mapped))
    selector = k8s.core.v1.SecretKeySelectorArgs(name=key.name, key=key.key)
    return k8s.core.v1.EnvVarArgs(name=name, value_from=k8s.core.v1.EnvVarSourceArgs(secret_key_ref=selector))


def print_command(key: SecretKey, namespace: Input[str]) -> pulumi.Output[str]:
    """A command that prints a key of a Secret."""
    template = f'{{{{index .data "{key.key}" | base64decode}}}}'
    return pulumi.Output.concat(
        "kubectl get secret ", key.name, " --namespace ", namespace, f" --output go-template='{template}'"
    )


def user_part(scope: Scope) -> PodPart:
    """Settings of MLflow as a whole, and the user's variables; creates a Secret for the secret ones."""
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
    # Plain ones last: they may refer to the others as `$(NAME)`, and one more of them moves none.
    variables = [
        *plain_environment(settings),
        *secret_environment(scope, "environment", "server", secrets),
        *references,
        *plain_environment(server.env),
    ]
    return PodPart(environment=unique(variables), environment_from=_sources(scope))


def database_part(scope: Scope) -> PodPart:
    """What of the user's environment concerns databases. A change of the rest must not run again what works on one."""
    concerned = [each for each in scope.user.environment if str(each.name).startswith(_OF_DATABASES)]
    return PodPart(environment=concerned, environment_from=scope.user.environment_from)


_OF_DATABASES = ("PG", "MYSQL", "MLFLOW_SQLALCHEMY", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
"""Prefixes of variables."""


def unique(variables: list[k8s.core.v1.EnvVarArgs]) -> list[k8s.core.v1.EnvVarArgs]:
    """The last entry of each name: server-side apply refuses duplicates."""
    return list({str(variable.name): variable for variable in variables}.values())


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


def _sources(scope: Scope) -> list[k8s.core.v1.EnvFromSourceArgs]:
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
