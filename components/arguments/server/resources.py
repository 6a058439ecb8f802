"""Resources of a container."""

from collections.abc import Iterable

from ..base import Block, Problem, block
from ..checks import amount, cpu, memory

__all__ = ["ResourcesArgs"]


@block
class ResourcesArgs(Block):
    """Resource requests and limits of a container. With the defaults, an idle server uses about 350 MiB."""

    cpu_request: str = "250m"
    """Guaranteed CPU, in cores or millicores (`500m`)."""
    cpu_limit: str | None = None
    """Maximum CPU; none by default, since throttling only adds latency."""
    memory_request: str = "512Mi"
    """Guaranteed memory."""
    memory_limit: str = "2Gi"
    """Memory at which the container is killed."""

    def problems(self) -> Iterable[Problem]:
        for kind, check in (("cpu", cpu), ("memory", memory)):
            request, limit = getattr(self, f"{kind}_request"), getattr(self, f"{kind}_limit")
            wrong = [*check(request, f"{kind}_request"), *check(limit, f"{kind}_limit")]
            yield from wrong
            if not wrong and limit is not None and (amount(request) or 0) > (amount(limit) or 0):
                yield Problem(
                    (f"{kind}_request",),
                    f"{request!r} is more than the limit {limit!r}",
                    "lower it, or raise the limit",
                )
