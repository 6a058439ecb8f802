"""How many pods there are and where: autoscaler, disruption budget, spread."""

from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Problem, block
from ..checks import between, qualified_keys
from ..manifests import Manifest, shape

__all__ = ["AutoscalingArgs", "DisruptionBudgetArgs", "SpreadArgs"]

ZONE, NODE = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


@block
class AutoscalingArgs(Block):
    """A HorizontalPodAutoscaler, which then decides the number of pods in place of `server.replicas`.

    It needs a database and an artifact store that pods can share, and metrics in the cluster (metrics-server).
    """

    min_replicas: int = 2
    """Fewest pods."""
    max_replicas: int = 5
    """Most pods; the budget of database connections counts with these."""
    cpu_percent: int | None = 70
    """Average use of CPU, in percent of `pod.resources.cpuRequest`, that it holds. Null for none."""
    memory_percent: int | None = None
    """The same for memory. A Python process hardly gives memory back, so that this scales up and seldom down."""
    metrics: list[Manifest] = Field(default_factory=list)
    """Further metrics, as in the specification of an autoscaler (`autoscaling/v2`)."""
    behavior: Manifest = Field(default_factory=dict)
    """How fast it scales, as in the specification of an autoscaler; Kubernetes' own defaults if not given."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.min_replicas, 1, 100, "min_replicas")
        yield from between(self.max_replicas, 1, 100, "max_replicas")
        yield from between(self.cpu_percent, 1, 1000, "cpu_percent", "percent")
        yield from between(self.memory_percent, 1, 1000, "memory_percent", "percent")
        yield from shape(self.metrics, "[autoscaling/v2.MetricSpec]", ("metrics",))
        yield from shape(self.behavior, "autoscaling/v2.HorizontalPodAutoscalerBehavior", ("behavior",))
        if self.min_replicas > self.max_replicas:
            yield Problem(
                ("min_replicas",), f"{self.min_replicas} is more than maxReplicas, {self.max_replicas}", "lower it"
            )
        if self.cpu_percent is None and self.memory_percent is None and not self.metrics:
            yield Problem((), "has nothing to go by", "give cpuPercent, memoryPercent or metrics")


@block
class DisruptionBudgetArgs(Block):
    """A PodDisruptionBudget: how many pods a drain of nodes may end at once. There is one where there are several pods."""

    enabled: bool = True
    """Make it."""
    max_unavailable: int = 1
    """Pods that may be missing; not used where `minAvailable` is given."""
    min_available: int | None = None
    """Pods that must be left."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.max_unavailable, 1, 100, "max_unavailable", "(0 would block every drain of a node)")
        yield from between(self.min_available, 1, 100, "min_available")


@block
class SpreadArgs(Block):
    """How several pods are spread, so that one zone or node does not take all of them."""

    across: list[str] = Field(default_factory=lambda: [ZONE, NODE])
    """Labels of nodes across whose values the pods of one version are spread. Empty for none."""
    max_skew: int = 1
    """Pods that one value may have more than another."""
    required: bool = False
    """Rather leave a pod unscheduled than break it. Otherwise the scheduler does what it can."""
    constraints: list[Manifest] = Field(default_factory=list)
    """Further constraints, as in the topology spread constraints of a pod's specification."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.max_skew, 1, 100, "max_skew")
        yield from shape(self.constraints, "[core/v1.TopologySpreadConstraint]", ("constraints",))
        for index, label in enumerate(self.across):
            for problem in qualified_keys({label: ""}, "across"):
                yield Problem(("across", index), f"{label!r} is not a label", problem.fix)
