"""TLS that terminates in the server's pods, and how the component's jobs verify it."""

from .environment import plain_environment
from .part import PodPart
from .scope import Scope
from .volumes import read_only, secret_volume

DIRECTORY = "/etc/mlflow/tls"
"""Where `tls.crt` and `tls.key` are in a container that mounts `serving`."""
_CA_DIRECTORY = "/etc/mlflow/server-ca"


def serving(scope: Scope) -> PodPart:
    """Certificate and key for the container that terminates TLS; empty without TLS."""
    if scope.args.server.tls is None:
        return PodPart()
    secret = scope.args.server.tls.existing_secret
    items = {secret.certificate_key: "tls.crt", secret.private_key_key: "tls.key"}
    volume = secret_volume("tls", secret.name, items, mode=None)
    return PodPart(volumes=[volume], mounts=[read_only("tls", DIRECTORY)])


def client_trust(scope: Scope) -> PodPart:
    """What an MLflow client in the cluster needs to verify the server; empty with a public authority."""
    tls = scope.args.server.tls
    if tls is None or tls.existing_secret.ca_key is None:
        return PodPart()
    items = {tls.existing_secret.ca_key: "ca.crt"}
    return PodPart(
        environment=plain_environment({"MLFLOW_TRACKING_SERVER_CERT_PATH": f"{_CA_DIRECTORY}/ca.crt"}),
        volumes=[secret_volume("server-ca", tls.existing_secret.name, items, mode=None)],
        mounts=[read_only("server-ca", _CA_DIRECTORY)],
    )
