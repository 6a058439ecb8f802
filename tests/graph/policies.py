"""What network policies let through, by the rules of Kubernetes, so that tests ask of traffic instead of manifests.

https://kubernetes.io/docs/concepts/services-networking/network-policies/: a pod that no policy chooses is open; one that
is chosen is closed but for what any of them allows.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Pod:
    """A pod of the cluster.

    Attributes:
        labels: Its labels.
        namespace: Name of its namespace.
        namespace_labels: Further labels of that.
    """

    labels: Mapping[str, str]
    namespace: str
    namespace_labels: Mapping[str, str] = field(default_factory=dict)


def allowed(
    policies: Iterable[Mapping[str, Any]], source: Pod | str, target: Pod | str, port: int, protocol: str = "TCP"
) -> bool:
    """Whether a connection is let out by the policies of its source and in by those of its target.

    Args:
        policies: Whole NetworkPolicy objects.
        source, target: Pods, or addresses outside the cluster.
        port: Port of the pod or address that is connected to.
        protocol: `TCP`, `UDP` or `SCTP`.
    """
    policies = list(policies)
    return _passes(policies, "Egress", source, target, port, protocol) and _passes(
        policies, "Ingress", target, source, port, protocol
    )


def _passes(
    policies: list[Mapping[str, Any]], direction: str, end: Pod | str, other: Pod | str, port: int, protocol: str
) -> bool:
    if isinstance(end, str):
        return True
    choosing = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == end.namespace
        and direction in policy["spec"]["policyTypes"]
        and _matches(policy["spec"]["podSelector"], end.labels)
    ]
    peers = "to" if direction == "Egress" else "from"
    rules = [(rule, policy) for policy in choosing for rule in policy["spec"].get(direction.lower()) or []]
    return not choosing or any(
        _port(rule.get("ports"), port, protocol)
        and (not rule.get(peers) or any(_peer(peer, other, policy["metadata"]["namespace"]) for peer in rule[peers]))
        for rule, policy in rules
    )


def _port(ports: list[Mapping[str, Any]] | None, port: int, protocol: str) -> bool:
    def holds(entry: Mapping[str, Any]) -> bool:
        first = entry.get("port")
        return entry.get("protocol", "TCP") == protocol and (
            first is None or first <= port <= entry.get("endPort", first)
        )

    return not ports or any(map(holds, ports))


def _peer(peer: Mapping[str, Any], other: Pod | str, namespace: str) -> bool:
    if isinstance(other, str):
        block = peer.get("ipBlock")
        address = ipaddress.ip_address(other)
        return (
            block is not None
            and address in ipaddress.ip_network(block["cidr"])
            and not any(address in ipaddress.ip_network(part) for part in block.get("except") or [])
        )
    if "ipBlock" in peer:
        return False  # whether an address block stands for pods as well is for each network plugin to say
    if "namespaceSelector" in peer:
        labels = {**other.namespace_labels, "kubernetes.io/metadata.name": other.namespace}
        here = _matches(peer["namespaceSelector"], labels)
    else:
        here = other.namespace == namespace
    return here and _matches(peer.get("podSelector") or {}, other.labels)


def _matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return (selector.get("matchLabels") or {}).items() <= labels.items() and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise AssertionError(expression["operator"])
