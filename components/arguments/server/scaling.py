"""Number and placement of pods: autoscaler, disruption budget, spread."""

from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Problem, block
from ..checks import between, duplicates, one_at_most, qualified_keys
from ..manifests import Manifest, shape

__all__ = ["AutoscalingArgs", "DisruptionBudgetArgs", "SpreadArgs"]

ZONE, NODE = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


@block
class AutoscalingArgs(Block):
    """A HorizontalPodAutoscaler, which sets the number of pods instead of `server.replicas`.

    It needs a database and an artifact store that pods can share, and metrics-server in the cluster.
    """

    min_replicas: int = 2
    """Minimum number of pods."""
    max_replicas: int = 5
    """Maximum number of pods; database connections are budgeted for this many."""
    cpu_percent: int | None = 70
    """Target average CPU utilisation, in percent of `pod.resources.cpuRequest`. Null for none."""
    memory_percent: int | None = None
    """The same for memory. Python rarely returns memory, so this scales up but seldom down."""
    metrics: list[Manifest] = Field(default_factory=list)
    """Further metrics, as in the specification of an autoscaler (`autoscaling/v2`)."""
    behavior: Manifest = Field(default_factory=dict)
    """How fast it scales, as in the specification of an autoscaler; Kubernetes' defaults if not given."""

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
            yield Problem((), "has no metric to scale by", "give cpuPercent, memoryPercent or metrics")


@block
class DisruptionBudgetArgs(Block):
    """A PodDisruptionBudget: how many pods node drains may evict at once. Only created for several pods."""

    enabled: bool = True
    """Create it."""
    max_unavailable: int | None = None
    """Pods that may be unavailable; 1 if neither this nor `minAvailable` is given."""
    min_available: int | None = None
    """Pods that must remain available, instead."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.max_unavailable, 1, 100, "max_unavailable", "(0 would block every drain of a node)")
        yield from between(self.min_available, 1, 100, "min_available")
        yield from one_at_most(self, ("max_unavailable", "min_available"))


@block
class SpreadArgs(Block):
    """How pods are spread, so that the loss of one zone or node does not take down all of them."""

    across: list[str] = Field(default_factory=lambda: [ZONE, NODE])
    """Topology keys (node labels) to spread the pods of one version across. Empty for none."""
    max_skew: int = 1
    """How many more pods one topology domain may have than another."""
    required: bool = False
    """Leave a pod unscheduled rather than exceed `maxSkew`. If false, the scheduler only tries."""
    constraints: list[Manifest] = Field(default_factory=list)
    """Additional topology spread constraints, as in a pod's specification."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.max_skew, 1, 100, "max_skew")
        yield from shape(self.constraints, "[core/v1.TopologySpreadConstraint]", ("constraints",))
        for index, label in enumerate(self.across):
            for problem in qualified_keys({label: ""}, "across"):
                yield Problem(("across", index), f"{label!r} is not a label", problem.fix)
        yield from duplicates(self.across, ("across",), "label")
        # Kubernetes knows constraints by these two, and refuses the second of a kind.
        ours = "DoNotSchedule" if self.required else "ScheduleAnyway"
        given = [
            (constraint.get("topologyKey"), constraint.get("whenUnsatisfiable")) for constraint in self.constraints
        ]
        yield from duplicates(given, ("constraints",), "topologyKey and whenUnsatisfiable")
        for index, pair in enumerate(given):
            if pair in [(label, ours) for label in self.across]:
                message = f"{pair[0]!r} with {ours} is what across already asks for"
                yield Problem(("constraints", index), message, "remove it here, or there")
