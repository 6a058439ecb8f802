"""Network policies: each kind of pod may only talk to what it uses.

Policies know addresses and labels, not DNS names. For a destination named by DNS, they therefore allow its port at any
address except link-local ones, unless the arguments say where it is.
"""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.networking import v1 as net

from ..arguments import EgressArgs, Input, NetworkPeerArgs, NetworkPolicyArgs
from ..arguments.access.network_policy import lies_in
from ..contracts import NetworkDestination
from ..labels import instance
from ..pods.part import PodPart
from ..pods.scope import Scope

_DNS = (53, 5353)
"""The second port is where OpenShift's DNS pods listen, which is what a policy sees."""
_KUBERNETES_API = (443, 6443)
_ANYWHERE = ("0.0.0.0/0", "::/0")
_NODE = (
    "169.254.0.0/16",
    "100.100.100.200/32",  # Alibaba Cloud's metadata
    "168.63.129.16/32",  # Azure's WireServer
    "fe80::/10",
    "fd00:ec2::/32",  # metadata of AWS
    "fd20:ce::254/128",  # metadata of Google
)
"""Where clouds hand out credentials and secrets of the node, not all of it on link-local addresses."""


def network_policies(
    scope: Scope,
    args: NetworkPolicyArgs,
    *,
    entrance: int,
    server: PodPart,
    jobs: PodPart,
    scheduled: Mapping[str, PodPart],
    stores: Mapping[str, PodPart],
) -> None:
    """One policy for each kind of pod: servers, jobs, and stores in the cluster.

    Args:
        scope: The deployment.
        args: What the user adds or restricts.
        entrance: Port at which requests enter a server pod.
        server: What the server's pods must reach.
        jobs: What jobs must reach.
        scheduled: What each scheduled job must reach, besides the server, by its component.
        stores: What a store in the cluster must reach, by its component; nothing if it is not here.
    """
    dns = _rule(_blocks(args.dns_cidrs) or None, _DNS, protocols=("UDP", "TCP"))
    further = [_further(more) for more in args.egress]
    rights = scope.args.rbac
    api = [_rule(_anywhere(), _KUBERNETES_API)] if rights.rules or rights.cluster_rules else []

    metrics = scope.args.continuous_port
    ports = [entrance, *(port.target_port for port in scope.args.service.extra_ports), *([metrics] if metrics else [])]
    clients = [net.NetworkPolicyIngressRuleArgs(from_=_clients(scope, args), ports=_ports(ports))]
    _policy(scope, "server", _component("In", ["server"]), clients, [dns, *_to(scope, server.network), *api, *further])

    inside = {each.component: each for each in server.network if each.component is not None}
    # All other pods: migrations and other jobs, which accept no connections. They may reach the stores of this deployment.
    near = [each for each in inside.values() if each not in jobs.network]
    others = _component("NotIn", ["server", *sorted(inside)])
    _policy(scope, "jobs", others, [], [dns, *_to(scope, [*jobs.network, *near])])
    if scope.args.upgrades_itself:
        # In addition to what all jobs may reach.
        _policy(scope, "migration", _component("In", ["migration"]), [], [_rule(_anywhere(), _KUBERNETES_API)])
    asks = _rule([_own(scope, "server")], [entrance])
    for component, part in scheduled.items():
        # In addition to what all jobs may reach.
        more = [each for each in part.network if each not in jobs.network]
        _policy(scope, component, _component("In", [component]), [], [asks, *_to(scope, more), *further])
    for component, destination in inside.items():
        callers = k8s.meta.v1.LabelSelectorArgs(match_labels=instance(scope.name))
        rule = net.NetworkPolicyIngressRuleArgs(
            from_=[net.NetworkPolicyPeerArgs(pod_selector=callers)], ports=_ports([destination.port])
        )
        needs = [dns, *_to(scope, stores[component].network), *further] if component in stores else []
        _policy(scope, component, _component("In", [component]), [rule], needs)


def _policy(
    scope: Scope,
    component: str,
    chosen: k8s.meta.v1.LabelSelectorRequirementArgs,
    ingress: Sequence[net.NetworkPolicyIngressRuleArgs],
    egress: Sequence[net.NetworkPolicyEgressRuleArgs],
) -> None:
    net.NetworkPolicy(
        f"{scope.name}-{component}",
        metadata=scope.metadata(component, f"{scope.name}-{component}"),
        spec=net.NetworkPolicySpecArgs(
            pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=instance(scope.name), match_expressions=[chosen]),
            policy_types=["Ingress", "Egress"],
            ingress=ingress,
            egress=egress,
        ),
        opts=scope.lasting(),
    )


def _further(args: EgressArgs) -> net.NetworkPolicyEgressRuleArgs:
    protocol = args.protocol.value
    ranges = [
        net.NetworkPolicyPortArgs(port=each.port, end_port=each.end_port, protocol=protocol)
        for each in args.port_ranges
    ]
    pods = [*map(_pods, args.pods)]
    if not args.cidrs and not args.except_cidrs:
        to: Input[list[net.NetworkPolicyPeerArgs]] = pods or _anywhere()
    else:
        # Exceptions are for pods by their addresses as well: those are not chosen as such.
        to = _outside(args.cidrs or [*_ANYWHERE], args.except_cidrs).apply(lambda blocks: [*blocks, *pods])
    return net.NetworkPolicyEgressRuleArgs(to=to, ports=[*_ports(args.ports, [protocol]), *ranges])  # type: ignore[arg-type]


def _component(operator: str, names: Sequence[str]) -> k8s.meta.v1.LabelSelectorRequirementArgs:
    return k8s.meta.v1.LabelSelectorRequirementArgs(key="app.kubernetes.io/component", operator=operator, values=names)


def _own(scope: Scope, component: str) -> net.NetworkPolicyPeerArgs:
    """Pods of one kind of this deployment."""
    labels = scope.selector(component)
    return net.NetworkPolicyPeerArgs(pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels))


def _clients(scope: Scope, args: NetworkPolicyArgs) -> list[net.NetworkPolicyPeerArgs]:
    # The deployment's own jobs call the server, too.
    near = k8s.meta.v1.LabelSelectorArgs(match_labels={} if args.allow_same_namespace else instance(scope.name))
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


def _to(scope: Scope, destinations: Iterable[NetworkDestination]) -> list[net.NetworkPolicyEgressRuleArgs]:
    """Rules that allow destinations."""

    def rule(destination: NetworkDestination) -> net.NetworkPolicyEgressRuleArgs:
        if destination.component is not None:
            return _rule([_own(scope, destination.component)], [destination.port])
        blocks = _outside(destination.networks)
        peers = pulumi.Output.all(destination.host, blocks).apply(lambda known: _peers(*known))
        return _rule(peers, [destination.port])

    found = list(destinations)
    return [rule(each) for index, each in enumerate(found) if each not in found[:index]]


def _peers(host: str, networks: list[net.NetworkPolicyPeerArgs]) -> list[net.NetworkPolicyPeerArgs]:
    """Where a host is: at its address, else in its known networks, else anywhere."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return networks or _anywhere()
    # 0.0.0.0 stands for services that have no addresses of their own to name, such as S3.
    return (networks or _anywhere()) if address.is_unspecified else _blocks([str(ipaddress.ip_network(address))])


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
    """All addresses but those of nodes; pods by themselves too, since some network plugins do not count them in."""
    pods = net.NetworkPolicyPeerArgs(namespace_selector=k8s.meta.v1.LabelSelectorArgs())
    return [*_parts(_ANYWHERE), pods]


def _outside(
    cidrs: Iterable[Input[str]], apart: Iterable[Input[str]] = ()
) -> pulumi.Output[list[net.NetworkPolicyPeerArgs]]:
    """Networks, without some parts of them."""
    return pulumi.Output.all(pulumi.Output.all(*cidrs), pulumi.Output.all(*apart)).apply(lambda known: _parts(*known))


def _parts(cidrs: Iterable[str], apart: Iterable[str] = ()) -> list[net.NetworkPolicyPeerArgs]:
    """Networks, without some parts of them and without where nodes get credentials, unless they are just that."""
    closed = [ipaddress.ip_network(each) for each in (*_NODE, *apart)]

    def block(cidr: str) -> net.IPBlockArgs:
        within = [str(each) for each in closed if lies_in(each, ipaddress.ip_network(cidr))]
        return net.IPBlockArgs(cidr=cidr, except_=within or None)

    return [net.NetworkPolicyPeerArgs(ip_block=block(cidr)) for cidr in cidrs]
