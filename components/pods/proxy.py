"""What the authenticating proxies have in common: a sidecar that receives all requests, and how the server trusts it."""

import base64
import hashlib
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random

from ..arguments import Input, LdapTlsArgs, OidcTlsArgs, ResourcesArgs
from ..arguments.reserved import PORT_NAME, proxy_port
from ..contracts import NetworkDestination
from ..in_image import Program
from . import containers
from .part import PodPart
from .scope import Scope
from .tls import serving
from .volumes import config_map, config_volume, read_only, secret, secret_volume

MODULE = Program("proxied_users.py")
FUNCTION = f"{MODULE.module}:authenticate"
"""`authorization_function` of the server behind a proxy."""
REDIS_PORT = 6379
"""Port that a Redis server listens on unless its URL says otherwise."""
_DIRECTORY = "/etc/mlflow/proxied-users"


def port(scope: Scope) -> int:
    """Port of the proxy; the server keeps its own, on the loopback interface."""
    return proxy_port(scope.args.server.port)


def password(scope: Scope, purpose: str, after: Sequence[pulumi.Resource]) -> pulumi.Output[str]:
    """A generated secret shared by proxy and server. Not protected, since it can be replaced."""
    options = scope.options(depends_on=list(after))
    return random.RandomPassword(f"{scope.name}-{purpose}", length=48, special=False, opts=options).result


def accounts(scope: Scope, username: str, password: pulumi.Output[str]) -> Input[str]:
    """A Secret with the proxy's only local account, in htpasswd format under the key `accounts`.

    SHA-1 without salt would be a poor choice for a password chosen by a person. This one is generated, and the hash is
    cheap to check on each request.
    """

    def line(known: str) -> str:
        digest = hashlib.sha1(known.encode(), usedforsecurity=False).digest()
        return f"{username}:{{SHA}}{base64.b64encode(digest).decode()}\n"

    return secret(scope, "proxy-accounts", "server", {"accounts": pulumi.Output.secret(password).apply(line)})


def authority(scope: Scope, name: str, args: LdapTlsArgs | OidcTlsArgs) -> k8s.core.v1.VolumeArgs | None:
    """A volume with `ca.crt`, the authorities that the proxy trusts; None for those in its image."""
    if args.existing_secret is not None:
        return secret_volume(name, args.existing_secret.name, {args.existing_secret.key: "ca.crt"})
    if args.ca_certificate is not None:
        return config_volume(name, config_map(scope, name, "server", {"ca.crt": args.ca_certificate}))
    return None


def destination(uri: Input[str], path: str) -> NetworkDestination:
    """Where a proxy authenticates users.

    Args:
        uri: The address.
        path: The argument that it comes from, as in a stack file.
    """
    ports = {"ldap": 389, "ldaps": 636, "https": 443, "redis": REDIS_PORT, "rediss": REDIS_PORT}
    fix = "write ldaps://host or https://host, and :port if it is not the usual one"
    return NetworkDestination.of_url(uri, ports, path, "is not an address", fix)


def behind(
    scope: Scope,
    container: k8s.core.v1.ContainerArgs,
    environment: Sequence[k8s.core.v1.EnvVarArgs],
    volumes: Sequence[k8s.core.v1.VolumeArgs],
    network: Sequence[NetworkDestination],
) -> PodPart:
    """The server behind a proxy.

    Args:
        scope: The deployment.
        container: The proxy.
        environment: What `proxied_users.py` needs to know about it.
        volumes: Volumes of the proxy.
        network: What the proxy must be able to reach.
    """
    module = config_map(scope, "proxied-users", "server", {MODULE.name: MODULE.source})
    return PodPart(
        python_path=[_DIRECTORY],
        environment=environment,
        mounts=[read_only("proxied-users", _DIRECTORY)],
        volumes=[config_volume("proxied-users", module), *serving(scope).volumes, *volumes],
        containers=[container],
        network=network,
        proxy_port=port(scope),
    )


def container(
    scope: Scope,
    image: Input[str],
    command: Sequence[str] | None,
    args: Sequence[Input[str]],
    environment: Sequence[k8s.core.v1.EnvVarArgs],
    mounts: Mapping[str, str],
    resources: ResourcesArgs,
    lifecycle: k8s.core.v1.LifecycleArgs | None,
) -> k8s.core.v1.ContainerArgs:
    """The proxy's container. It is ready when the server is, and restarted when it stops listening."""
    alive = k8s.core.v1.TCPSocketActionArgs(port=port(scope))
    own = [read_only(name, path) for name, path in mounts.items()]
    return containers.container(
        scope,
        "proxy",
        PodPart(environment=environment, mounts=[*serving(scope).mounts, *own]),
        resources,
        image=image,
        command=command,
        arguments=args,
        ports=[k8s.core.v1.ContainerPortArgs(name=PORT_NAME, container_port=port(scope))],
        startup_probe=k8s.core.v1.ProbeArgs(tcp_socket=alive, period_seconds=1, failure_threshold=60),
        liveness_probe=k8s.core.v1.ProbeArgs(tcp_socket=alive, period_seconds=10, failure_threshold=3),
        lifecycle=lifecycle,
    )
