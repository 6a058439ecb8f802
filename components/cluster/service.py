"""The Service in front of the server's pods."""

from collections.abc import Mapping, Sequence
from functools import partial

import pulumi
import pulumi_kubernetes as k8s
from pydantic.alias_generators import to_snake

from ..arguments import Input, KeysArgs, ServiceType
from ..arguments.access.service import OWN_ANNOTATIONS
from ..arguments.reserved import PORT_NAME
from ..pods.ports import known_while_unchanged
from ..pods.scope import Scope
from ..resources.refusals import Change, guard
from .ingress_classes import service_annotations

_ADDRESS = "5m"
"""How long Pulumi waits for the address of a load balancer, which clouds assign within a minute or two."""


def service(
    scope: Scope, after: Sequence[pulumi.Resource], fingerprints: Mapping[str, Input[str]]
) -> k8s.core.v1.Service:
    """The Service; its name is explicit, since it is part of clients' configuration.

    Args:
        scope: The deployment.
        after: First objects in the cluster, which generated values wait for.
        fingerprints: Those of the encryption keys. The Service carries them, since it is never replaced: a change is refused.
    """
    args = scope.args.service
    annotations = {**service_annotations(scope), **args.annotations}
    annotations |= {f"{OWN_ANNOTATIONS}{name}": fingerprint for name, fingerprint in fingerprints.items()}
    if args.type is not ServiceType.LOAD_BALANCER:
        # The provider would watch the endpoints for another ten seconds after the last pod is ready, which it waits for
        # with the Deployment anyway. Only a load balancer has something else to wait for: its address.
        annotations["pulumi.com/skipAwait"] = "true"
    ports = [
        k8s.core.v1.ServicePortArgs(name=PORT_NAME, port=args.port, target_port=PORT_NAME, node_port=args.node_port)
    ]
    ports += [
        k8s.core.v1.ServicePortArgs(name=port.name, port=port.port, target_port=port.target_port)
        for port in args.extra_ports
    ]
    facts = [args.port, args.node_port, *([port.name, port.port] for port in args.extra_ports)]
    return k8s.core.v1.Service(
        f"{scope.name}-service",
        metadata=scope.metadata("server", scope.service_name, extra_labels=args.labels, annotations=annotations),
        spec=k8s.core.v1.ServiceSpecArgs(
            type=args.type.value,
            selector=scope.selector(),
            ports=known_while_unchanged(scope, "service", ports, facts, after),
            ip_family_policy=args.ip_family_policy.value if args.ip_family_policy else None,
            ip_families=[family.value for family in args.ip_families] or None,
            load_balancer_class=args.load_balancer_class,
            load_balancer_source_ranges=args.load_balancer_source_ranges or None,
        ),
        opts=scope.options(
            hooks=guard(scope, "keys", partial(lost_keys, scope.args.keys)),
            custom_timeouts=pulumi.CustomTimeouts(create=_ADDRESS, update=_ADDRESS),
        ),
    )


def lost_keys(args: KeysArgs, change: Change) -> str | None:
    """Why a change of the Service is refused: an encryption key is another one than before, and nobody has agreed to that.

    A key that is not known yet in a preview is generated anew, unless the arguments give it.
    """
    old, new = (
        ((inputs or {}).get("metadata") or {}).get("annotations") or {}
        for inputs in (change.old_inputs, change.new_inputs)
    )
    for name, what in (
        ("kekPassphrase", "secrets of the AI gateway"),
        ("webhookSecretEncryptionKey", "webhook secrets"),
    ):
        former, now = old.get(f"{OWN_ANNOTATIONS}{name}"), new.get(f"{OWN_ANNOTATIONS}{name}")
        generated = getattr(args, to_snake(name)) is None and args.existing_secret is None
        lost = now != former if isinstance(now, str) else generated
        if isinstance(former, str) and lost and former not in args.abandoned:
            return (
                f"keys.{name}: is another key than before, or is somewhere else, and the {what} in the database can be read with "
                f"the former one only; set that again, or agree with keys.abandoned: [{former}] (see Keys in docs/operations.md)"
            )
    return None
