"""Resources of containers."""

from collections.abc import Iterable

from ..base import Block, Problem, block
from ..checks import cpu, memory, resources

__all__ = ["ContainerResourcesArgs", "ResourcesArgs", "SharedLimitsArgs"]


@block
class ResourcesArgs(Block):
    """Resource requests and limits of a container. With the defaults, an idle server uses about 350 MiB."""

    cpu_request: str = "250m"
    """Guaranteed CPU, in cores or millicores (`500m`)."""
    cpu_limit: str | None = None
    """Maximum CPU; `resources.all.cpuLimit` if not given. There is none by default, since throttling only adds latency."""
    memory_request: str = "512Mi"
    """Guaranteed memory."""
    memory_limit: str = "2Gi"
    """Memory at which the container is killed."""

    def problems(self) -> Iterable[Problem]:
        yield from resources(self)


@block
class SharedLimitsArgs(Block):
    """Limits of every container that has none of its own, which a ResourceQuota may ask for. Containers that you add name
    theirs themselves."""

    cpu_limit: str | None = None
    """Upper bound of CPU of each container, or its request where that is more; none if not given."""
    ephemeral_storage_limit: str | None = None
    """Disk that each container may take, or its request where that is more; none if not given. A pod that takes more than its
    containers may together, `/tmp` included, is evicted."""

    def problems(self) -> Iterable[Problem]:
        yield from cpu(self.cpu_limit, "cpu_limit")
        if self.ephemeral_storage_limit is not None:
            yield from memory(self.ephemeral_storage_limit, "ephemeral_storage_limit")


@block
class ContainerResourcesArgs(Block):
    """Requests and limits of the containers that have no block of their own, and limits that all containers share. Those of
    the others: `pod.resources` (the server), `garbageCollection.resources`, `auth.ldap.resources`, `auth.oidc.resources`, and
    the blocks of MinIO and databases in the cluster."""

    all: SharedLimitsArgs = SharedLimitsArgs()
    """What holds for every container of every pod."""
    migration: ResourcesArgs = ResourcesArgs(cpu_request="100m", memory_request="256Mi", memory_limit="1Gi")
    """Requests and limits of the migration, in its Job or before a server on SQLite; and of the preflight before that Job."""
    database_creation: ResourcesArgs = ResourcesArgs(cpu_request="50m", memory_request="96Mi", memory_limit="256Mi")
    """Requests and limits of the Job that creates a database."""
    minio_bucket: ResourcesArgs = ResourcesArgs(cpu_request="50m", memory_request="96Mi", memory_limit="512Mi")
    """Requests and limits of the Job that creates the bucket in MinIO."""
    helpers: ResourcesArgs = ResourcesArgs(cpu_request="50m", memory_request="64Mi", memory_limit="128Mi")
    """Requests and limits of the init containers that write a file before the server starts: `database-login`, `users`,
    and of the preflight where no Job migrates."""
