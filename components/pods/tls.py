"""TLS that ends in the server's pods, and what our own jobs verify it with."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi_kubernetes as k8s

from .objects import Scope, plain_environment

DIRECTORY = "/etc/mlflow/tls"
"""Where `tls.crt` and `tls.key` are in a container that mounts `tls_mount`."""

_CA_DIRECTORY = "/etc/mlflow/server-ca"


def tls_volume(scope: Scope) -> list[k8s.core.v1.VolumeArgs]:
    """Volume with certificate and key of whichever container ends TLS; none without TLS."""
    if scope.args.server.tls is None:
        return []
    secret = scope.args.server.tls.existing_secret
    items = [(secret.certificate_key, "tls.crt"), (secret.private_key_key, "tls.key")]
    return [_secret_volume("tls", secret.name, items)]


def tls_mount(scope: Scope) -> list[k8s.core.v1.VolumeMountArgs]:
    """Its mount."""
    mount = k8s.core.v1.VolumeMountArgs(name="tls", mount_path=DIRECTORY, read_only=True)
    return [] if scope.args.server.tls is None else [mount]


@dataclass(frozen=True, kw_only=True)
class ClientTrust:
    """What a container with an MLflow client needs to verify the server; nothing where a public authority signed."""

    environment: Sequence[k8s.core.v1.EnvVarArgs] = ()
    volumes: Sequence[k8s.core.v1.VolumeArgs] = ()
    mounts: Sequence[k8s.core.v1.VolumeMountArgs] = ()


def client_trust(scope: Scope) -> ClientTrust:
    """For jobs in the cluster that call the server."""
    tls = scope.args.server.tls
    if tls is None or tls.existing_secret.ca_key is None:
        return ClientTrust()
    return ClientTrust(
        environment=plain_environment({"MLFLOW_TRACKING_SERVER_CERT_PATH": f"{_CA_DIRECTORY}/ca.crt"}),
        volumes=[_secret_volume("server-ca", tls.existing_secret.name, [(tls.existing_secret.ca_key, "ca.crt")])],
        mounts=[k8s.core.v1.VolumeMountArgs(name="server-ca", mount_path=_CA_DIRECTORY, read_only=True)],
    )


def _secret_volume(name: str, secret: object, items: Sequence[tuple[str, str]]) -> k8s.core.v1.VolumeArgs:
    return k8s.core.v1.VolumeArgs(
        name=name,
        secret=k8s.core.v1.SecretVolumeSourceArgs(
            secret_name=secret,  # type: ignore[arg-type]
            items=[k8s.core.v1.KeyToPathArgs(key=key, path=path) for key, path in items],
        ),
    )
