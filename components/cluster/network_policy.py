"""Network policies: each kind of pod talks to what it uses, and to nothing else.

Policies know addresses and labels, not DNS names. What is named by DNS is therefore let through by its port, to anywhere
but link-local addresses, unless the arguments say where it is.
"""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import ipaddress
from collections.abc import Iterable, Sequence

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.networking import v1 as net

from ..arguments import Input, NetworkPeerArgs, NetworkPolicyArgs
from ..contracts import NetworkDestination
from ..pods.garbage_collection import COMPONENT
from ..pods.objects import Scope

_DNS = (53, 5353)
"""The second one is where OpenShift's DNS pods listen, which is what a policy sees."""
_KUBERNETES_API = (443, 6443)
_ANYWHERE = {
    # But for where clouds hand out credentials and secrets of the node; the last one is Amazon's.
    "0.0.0.0/0": ["169.254.0.0/16"],
    "::/0": ["fe80::/10", "fd00:ec2::/32"],
}


def network_policies(
    scope: Scope,
    args: NetworkPolicyArgs,
    *,
    entrance: int,
    databases: Sequence[NetworkDestination | None],
    artifacts: NetworkDestination | None,
    others: Iterable[NetworkDestination] = (),
) -> None:
    """One policy for each kind of pod: servers, jobs, and stores that are made in the cluster.

    Args:
        scope: What the parts have in common.
        args: What the user adds or restricts.
        entrance: Port at which requests enter a server pod.
        databases: Where the databases are; None for those that are files.
        artifacts: Where the artifact store is; None if it is a volume.
        others: What else server pods must reach.
    """
    data = [rule for each in databases for rule in _to(scope, each, args.database_cidrs)]
    files = _to(scope, artifacts, args.artifacts_cidrs)
    cloud = [rule for each in scope.identity.endpoints for rule in _to(scope, each)]
    outside = [*(rule for each in others for rule in _to(scope, each)), *cloud]
    if scope.args.rbac.rules or scope.args.rbac.cluster_rules:
        outside.append(_rule(_anywhere(), _KUBERNETES_API))
    for more in args.egress:
        peers = [*_blocks(more.cidrs), *map(_pods, more.pods)]
        outside.append(_rule(peers or _anywhere(), more.ports))
    dns = _rule(_blocks(args.dns_cidrs) or None, _DNS, protocols=("UDP", "TCP"))

    ports = [entrance, *(port.target_port for port in scope.args.service.extra_ports)]
    clients = [net.NetworkPolicyIngressRuleArgs(from_=_clients(scope, args), ports=_ports(ports))]
    _policy(scope, "server", _component("In", ["server"]), clients, [dns, *data, *files, *outside])

    inside = {
        each.component: each for each in (*databases, artifacts) if each is not None and each.component is not None
    }
    # Whatever else runs: migrations and other jobs, which nobody calls. They reach what is part of this deployment.
    jobs = _component("NotIn", ["server", *sorted(inside)])
    near = files if artifacts is not None and artifacts.component is not None else []
    _policy(scope, "jobs", jobs, [], [dns, *data, *near])
    if scope.args.garbage_collection is not None:
        collector = _component("In", [COMPONENT])
        server = _rule([_own(scope, "server")], [entrance])
        _policy(scope, COMPONENT, collector, [], [server, *files, *cloud])
    for component, destination in inside.items():
        callers = k8s.meta.v1.LabelSelectorArgs(match_labels=_instance(scope))
        rule = net.NetworkPolicyIngressRuleArgs(
            from_=[net.NetworkPolicyPeerArgs(pod_selector=callers)], ports=_ports([destination.port])
        )
        _policy(scope, component, _component("In", [component]), [rule], [])


def _policy(
    scope: Scope,
    component: str,
    chosen: k8s.meta.v1.LabelSelectorRequirementArgs,
    ingress: Sequence[net.NetworkPolicyIngressRuleArgs],
    egress: Sequence[net.NetworkPolicyEgressRuleArgs],
) -> None:
    net.NetworkPolicy(
        f"{scope.name}-{component}",
        metadata=scope.metadata(component),
        spec=net.NetworkPolicySpecArgs(
            pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=_instance(scope), match_expressions=[chosen]),
            policy_types=["Ingress", "Egress"],
            ingress=ingress,
            egress=egress,
        ),
        opts=scope.options(),
    )


def _instance(scope: Scope) -> dict[str, str]:
    """Labels of every pod of the deployment."""
    return {key: value for key, value in scope.selector().items() if not key.endswith("/component")}


def _component(operator: str, names: Sequence[str]) -> k8s.meta.v1.LabelSelectorRequirementArgs:
    return k8s.meta.v1.LabelSelectorRequirementArgs(key="app.kubernetes.io/component", operator=operator, values=names)


def _own(scope: Scope, component: str) -> net.NetworkPolicyPeerArgs:
    """Pods of one kind of this deployment."""
    labels = scope.labels(component, own=False)
    return net.NetworkPolicyPeerArgs(pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels))


def _clients(scope: Scope, args: NetworkPolicyArgs) -> list[net.NetworkPolicyPeerArgs]:
    # The deployment's own jobs ask the server as well.
    near = k8s.meta.v1.LabelSelectorArgs(match_labels={} if args.allow_same_namespace else _instance(scope))
    names = [{"kubernetes.io/metadata.name": name} for name in args.allow_namespaces]
    return [
        net.NetworkPolicyPeerArgs(pod_selector=near),
        *(net.NetworkPolicyPeerArgs(namespace_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=n)) for n in names),
        *map(_pods, args.allow_pods),
        *_blocks(args.allow_cidrs),
    ]


def _pods(peer: NetworkPeerArgs) -> net.NetworkPolicyPeerArgs:
    namespaces, pods = peer.namespace_labels, peer.pod_labels
    return net.NetworkPolicyPeerArgs(
        namespace_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=namespaces) if namespaces else None,
        pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=pods) if pods else None,
    )


def _to(
    scope: Scope, destination: NetworkDestination | None, known: Sequence[Input[str]] = ()
) -> list[net.NetworkPolicyEgressRuleArgs]:
    """Open the way to a destination; `known` are its networks where it is named by DNS."""
    if destination is None:
        return []
    if destination.component is not None:
        return [_rule([_own(scope, destination.component)], [destination.port])]

    def peers(host: str) -> list[net.NetworkPolicyPeerArgs]:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return _blocks(known) or _anywhere()
        # 0.0.0.0 stands for services that have no addresses of their own to name, such as S3.
        return (
            (_blocks(known) or _anywhere()) if address.is_unspecified else _blocks([str(ipaddress.ip_network(address))])
        )

    return [_rule(pulumi.Output.from_input(destination.host).apply(peers), [destination.port])]


def _rule(
    to: Input[list[net.NetworkPolicyPeerArgs]] | None,
    ports: Iterable[Input[int]],
    protocols: Sequence[str] = ("TCP",),
) -> net.NetworkPolicyEgressRuleArgs:
    return net.NetworkPolicyEgressRuleArgs(to=to, ports=_ports(ports, protocols))  # type: ignore[arg-type]


def _ports(ports: Iterable[Input[int]], protocols: Sequence[str] = ("TCP",)) -> list[net.NetworkPolicyPortArgs]:
    return [net.NetworkPolicyPortArgs(port=port, protocol=protocol) for port in ports for protocol in protocols]


def _blocks(cidrs: Iterable[Input[str]]) -> list[net.NetworkPolicyPeerArgs]:
    return [net.NetworkPolicyPeerArgs(ip_block=net.IPBlockArgs(cidr=cidr)) for cidr in cidrs]


def _anywhere() -> list[net.NetworkPolicyPeerArgs]:
    """All addresses but link-local ones; pods by themselves too, since some network plugins do not count them in."""
    everywhere = [net.IPBlockArgs(cidr=cidr, except_=apart) for cidr, apart in _ANYWHERE.items()]
    pods = net.NetworkPolicyPeerArgs(namespace_selector=k8s.meta.v1.LabelSelectorArgs())
    return [*(net.NetworkPolicyPeerArgs(ip_block=block) for block in everywhere), pods]
