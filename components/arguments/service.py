"""The Service in front of the server's pods."""

import enum
from collections.abc import Iterable

from pydantic import Field

from .base import Block, Input, Problem, block
from .checks import between, qualified_keys


class ServiceType(enum.Enum):
    """How the Service is published."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


@block
class ServiceArgs(Block):
    """The Service in front of the pods."""

    type: ServiceType = ServiceType.CLUSTER_IP
    """`NodePort` and `LoadBalancer` publish a server without authentication and need `allowInsecure`."""
    port: int = 80
    """Port of the Service."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations of the Service."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.port, 1, 65535, "port")
        yield from qualified_keys(self.annotations, "annotations")
