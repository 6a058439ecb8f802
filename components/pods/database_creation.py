"""A Job that creates the database and its user on an existing server, before the migration."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import DatabaseCreationArgs, Input, SecretsStoreArgs, TlsMode, UpgradeMode
from ..contracts import DatabaseConnection, Engine, Files, SecretKey, SecretValue
from ..in_image import Program
from .containers import mlflow_container
from .environment import plain_environment, secret_environment
from .jobs import job
from .part import PodPart, join
from .scope import Scope
from .volumes import files, read_only

_COMPONENT = "database-creation"
_DIRECTORY = "/etc/mlflow/database-creation"
_PROGRAM = Program("create_database.py")
_MASTER_DIRECTORY = "/etc/mlflow/master"
_MASTERS = {Engine.POSTGRESQL: "postgres", Engine.MYSQL: "root"}


def creation_job(
    scope: Scope, connection: DatabaseConnection, args: DatabaseCreationArgs, after: Sequence[pulumi.Resource]
) -> k8s.batch.v1.Job:
    """Run the creation to completion. A change of connection or password replaces and reruns the Job.

    Args:
        scope: The deployment.
        connection: The database to create, and the user that is to own it.
        args: The user that creates them.
        after: Resources that must exist before.
    """
    plain_ca = {} if connection.ca_certificate is None else {"ca.pem": connection.ca_certificate}
    given = Files(name="database-creation-files", directory=_DIRECTORY, plain={**_PROGRAM.files, **plain_ca})
    parts = [PodPart(environment=_environment(scope, connection, args)), files(scope, _COMPONENT, given)]
    if args.secrets_store is not None:
        mount = read_only("database-master", _MASTER_DIRECTORY)
        parts.append(PodPart(volumes=[_secrets_store(scope, args.secrets_store)], mounts=[mount]))
    part = join(*parts)
    command = ["python", f"{_DIRECTORY}/{_PROGRAM.name}"]
    made = mlflow_container(scope, _COMPONENT, part, scope.args.resources.database_creation, command=command)
    return job(
        scope,
        _COMPONENT,
        part,
        made,
        scratch="16Mi",
        after=after,
        timeout_seconds=scope.args.database.connect_timeout_seconds * 2 + 120,
    )


def _environment(
    scope: Scope, connection: DatabaseConnection, args: DatabaseCreationArgs
) -> list[k8s.core.v1.EnvVarArgs]:
    assert connection.engine is not None and connection.tls_mode is not None and connection.password is not None
    port = pulumi.Output.from_input(connection.port).apply(str)
    certificate = {} if connection.ca_certificate is None else {"DATABASE_CA": f"{_DIRECTORY}/ca.pem"}
    plain: dict[str, Input[str]] = {
        "MIGRATION_CONNECT_TIMEOUT_SECONDS": str(scope.args.database.connect_timeout_seconds),
        "DATABASE_TIMEOUT_SECONDS": str(scope.args.database.silence_timeout_seconds),
        "DATABASE_ENGINE": connection.engine.value,
        "DATABASE_NAME": connection.database or "",
        "DATABASE_TLS_MODE": connection.tls_mode.value,
        **({"DATABASE_COPIES": "true"} if scope.args.upgrade.mode is UpgradeMode.BLUE_GREEN else {}),
        **certificate,
    }
    if connection.engine is Engine.POSTGRESQL:
        plain |= {"PGHOST": connection.host or "", "PGPORT": port, "PGSSLMODE": connection.tls_mode.value}
        plain["PGCONNECT_TIMEOUT"] = "10"
        if connection.tls_mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL):
            plain["PGSSLROOTCERT"] = f"{_DIRECTORY}/ca.pem"
    else:
        plain |= {"DATABASE_HOST": connection.host or "", "DATABASE_PORT": port}
    secrets: dict[str, SecretValue] = {"DATABASE_PASSWORD": connection.password}
    if isinstance(connection.username, SecretKey):
        secrets["DATABASE_USERNAME"] = connection.username
    else:
        plain["DATABASE_USERNAME"] = connection.username or ""
    existing = args.existing_secret
    if existing is not None:
        secrets["MASTER_PASSWORD"] = SecretKey(name=existing.name, key=existing.password_key)
    if existing is not None and existing.username_key is not None:
        secrets["MASTER_USERNAME"] = SecretKey(name=existing.name, key=existing.username_key)
    elif args.secrets_store is None or "username" not in _objects(args.secrets_store):
        plain["MASTER_USERNAME"] = args.username or _MASTERS[connection.engine]
    secret = secret_environment(scope, "database-creation", _COMPONENT, secrets)
    return [*plain_environment(plain), *secret]


def _secrets_store(scope: Scope, args: SecretsStoreArgs) -> k8s.core.v1.VolumeArgs:
    """A volume with the files `password` and, optionally, `username`; creates the SecretProviderClass behind it."""
    provider, parameters = _parameters(args)
    made = k8s.apiextensions.CustomResource(
        f"{scope.name}-database-master",
        api_version="secrets-store.csi.x-k8s.io/v1",
        kind="SecretProviderClass",
        metadata=scope.metadata(_COMPONENT),
        spec={"provider": provider, "parameters": parameters},
        opts=scope.options(),
    )
    source = k8s.core.v1.CSIVolumeSourceArgs(
        driver="secrets-store.csi.k8s.io",
        read_only=True,
        volume_attributes={"secretProviderClass": made.metadata["name"]},  # type: ignore[index]
    )
    return k8s.core.v1.VolumeArgs(name="database-master", csi=source)


def _objects(args: SecretsStoreArgs) -> dict[str, Input[str]]:
    """The provider's names of the password and, optionally, the user, by file name."""
    pairs: dict[str, Input[str] | None] = {}
    if args.aws is not None:
        pairs = {"password": args.aws.password_key, "username": args.aws.username_key}
    elif args.azure is not None:
        pairs = {"password": args.azure.password_secret, "username": args.azure.username_secret}
    elif args.gcp is not None:
        pairs = {"password": args.gcp.password_version, "username": args.gcp.username_version}
    elif args.vault is not None:
        pairs = {"password": args.vault.password_key, "username": args.vault.username_key}
    return {file: name for file, name in pairs.items() if name is not None}


def _parameters(args: SecretsStoreArgs) -> tuple[str, dict[str, Input[str]]]:
    """Name of the provider, and its parameters. Text in them is YAML, of which JSON is a subset.

    The formats are from the providers' documentation: aws/secrets-store-csi-driver-provider-aws,
    azure.github.io/secrets-store-csi-driver-provider-azure, GoogleCloudPlatform/secrets-store-csi-driver-provider-gcp,
    developer.hashicorp.com/vault/docs/platform/k8s/csi/configurations.
    """
    wanted = _objects(args)
    if args.aws is not None:
        fields = [{"path": f'"{name}"', "objectAlias": file} for file, name in wanted.items()]
        secret = {"objectName": args.aws.secret, "objectType": "secretsmanager", "jmesPath": fields}
        region: dict[str, Input[str]] = {} if args.aws.region is None else {"region": args.aws.region}
        return "aws", {"objects": _text([secret]), **region}
    if args.azure is not None:
        secrets = [
            _text({"objectName": name, "objectType": "secret", "objectAlias": file}) for file, name in wanted.items()
        ]
        known = {
            "keyvaultName": args.azure.vault,
            "tenantId": args.azure.tenant_id,
            "clientID": args.azure.client_id,
        }
        return "azure", {**known, "objects": _text({"array": secrets})}
    if args.gcp is not None:
        versions = [{"resourceName": name, "path": file} for file, name in wanted.items()]
        return "gcp", {"secrets": _text(versions)}
    assert args.vault is not None, "arguments hold exactly one choice"
    keys = [{"objectName": file, "secretPath": args.vault.path, "secretKey": name} for file, name in wanted.items()]
    return "vault", {"vaultAddress": args.vault.address, "roleName": args.vault.role, "objects": _text(keys)}


def _text(value: object) -> pulumi.Output[str]:
    return pulumi.Output.json_dumps(value)
