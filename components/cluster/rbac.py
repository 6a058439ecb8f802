"""The ServiceAccount and its permissions."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import PolicyRuleArgs
from ..pods.scope import Scope
from ..pods.upgrade import account_name, record_name, schedules


def service_account(scope: Scope) -> k8s.core.v1.ServiceAccount | None:
    """The account that cloud trust policies name; None if it exists already."""
    args = scope.args.service_account
    if not args.create:
        return None
    annotations = {**args.annotations, **scope.identity.service_account_annotations}
    return k8s.core.v1.ServiceAccount(
        f"{scope.name}-service-account",
        metadata=scope.metadata(
            "server", scope.account_name, extra_labels=args.labels, annotations=annotations or None
        ),
        automount_service_account_token=False,
        opts=scope.options(),
    )


def roles(scope: Scope) -> None:
    """Role and ClusterRole with the rules that the arguments list, bound to the account."""
    rbac = scope.args.rbac
    if not rbac.rules and not rbac.cluster_rules:
        return
    subject = k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=scope.account_name, namespace=scope.namespace)

    def reference(kind: str, name: object) -> k8s.rbac.v1.RoleRefArgs:
        return k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind=kind, name=name)  # type: ignore[arg-type]

    if rbac.rules:
        role = k8s.rbac.v1.Role(
            f"{scope.name}-role",
            metadata=scope.metadata("server", f"{scope.name}-role"),
            rules=_rules(rbac.rules),
            opts=scope.lasting(),
        )
        k8s.rbac.v1.RoleBinding(
            f"{scope.name}-role-binding",
            metadata=scope.metadata("server", f"{scope.name}-role-binding"),
            role_ref=reference("Role", role.metadata.name),
            subjects=[subject],
            opts=scope.lasting(),
        )
    if rbac.cluster_rules:
        # These belong to no namespace.
        labels = k8s.meta.v1.ObjectMetaArgs(labels=scope.labels("server"))
        cluster_role = k8s.rbac.v1.ClusterRole(
            f"{scope.name}-cluster-role", metadata=labels, rules=_rules(rbac.cluster_rules), opts=scope.options()
        )
        k8s.rbac.v1.ClusterRoleBinding(
            f"{scope.name}-cluster-role-binding",
            metadata=labels,
            role_ref=reference("ClusterRole", cluster_role.metadata.name),
            subjects=[subject],
            opts=scope.options(),
        )


def upgrade_rights(scope: Scope, first: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
    """The migration's own account, and what an upgrade changes: the Deployment, CronJobs, Jobs and its record.

    Args:
        scope: The deployment.
        first: First objects in the cluster.
    """
    name = account_name(scope)
    account = k8s.core.v1.ServiceAccount(
        name,
        metadata=scope.metadata("migration", name),
        automount_service_account_token=False,
        opts=scope.options(depends_on=list(first)),
    )

    def rule(group: str, resource: str, verbs: Sequence[str], *names: str) -> k8s.rbac.v1.PolicyRuleArgs:
        return k8s.rbac.v1.PolicyRuleArgs(
            api_groups=[group], resources=[resource], resource_names=list(names) or None, verbs=list(verbs)
        )

    role = k8s.rbac.v1.Role(
        name,
        metadata=scope.metadata("migration", name),
        rules=[
            rule("apps", "deployments", ["get", "patch"], scope.deployment_name),
            rule("batch", "cronjobs", ["get", "patch"], *schedules(scope).values()),
            rule("", "configmaps", ["get", "patch"], record_name(scope)),
            rule("", "pods", ["list"]),
            # A right to create cannot be limited to a name.
            *(
                [rule("batch", "jobs", ["create", "get"]), rule("", "pods/log", ["get"])]
                if scope.args.backup_before_upgrade
                else []
            ),
        ],
        opts=scope.lasting(),
    )
    binding = k8s.rbac.v1.RoleBinding(
        name,
        metadata=scope.metadata("migration", name),
        role_ref=k8s.rbac.v1.RoleRefArgs(
            api_group="rbac.authorization.k8s.io",
            kind="Role",
            name=role.metadata.name,  # type: ignore[arg-type]
        ),
        subjects=[k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=name, namespace=scope.namespace)],
        opts=scope.lasting(),
    )
    return [account, role, binding]


def _rules(rules: Sequence[PolicyRuleArgs]) -> list[k8s.rbac.v1.PolicyRuleArgs]:
    return [
        k8s.rbac.v1.PolicyRuleArgs(
            api_groups=rule.api_groups if rule.resources else None,
            resources=rule.resources or None,
            resource_names=rule.resource_names or None,
            non_resource_urls=rule.non_resource_urls or None,
            verbs=rule.verbs,
        )
        for rule in rules
    ]
