"""Permissions of the pods in the Kubernetes API."""

from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Problem, block
from ..checks import pattern

__all__ = ["PolicyRuleArgs", "RbacArgs"]


@block
class PolicyRuleArgs(Block):
    """One rule of a Role or ClusterRole."""

    api_groups: list[str] = Field(default_factory=lambda: [""])
    """API groups; the core group is the empty string."""
    resources: list[str] = Field(default_factory=list)
    """Resources in the plural, for example `pods` and `pods/log`."""
    resource_names: list[str] = Field(default_factory=list)
    """Names of individual objects; all if empty."""
    non_resource_urls: list[str] = Field(default_factory=list)
    """API paths that are not resources, for example `/healthz`; only in cluster rules."""
    verbs: list[str]
    """Verbs, for example `get`, `list` and `watch`."""

    def problems(self) -> Iterable[Problem]:
        if not self.verbs:
            yield Problem(("verbs",), "is empty: the rule grants nothing", "list verbs, for example [get, list]")
        # The API server takes them as they are, and grants nothing.
        for field, regex in (("verbs", r"\*|[a-z]+"), ("resources", r"[a-z0-9*./-]+"), ("resource_names", r"\S+")):
            for index, each in enumerate(getattr(self, field)):
                for problem in pattern(
                    each, regex, field, "one of Kubernetes' names", "list them one by one: [get, list]"
                ):
                    yield Problem((field, index), problem.message, problem.fix)
        if bool(self.resources) == bool(self.non_resource_urls):
            yield Problem(
                ("resources",), "must be given, or nonResourceUrls, and not both", "list resources, for example [pods]"
            )


@block
class RbacArgs(Block):
    """Permissions in the Kubernetes API. MLflow needs none; plugins and sidecars may.

    The server's pods get a token of their account only if there are rules.
    """

    rules: list[PolicyRuleArgs] = Field(default_factory=list)
    """Rules in the deployment's namespace, as a Role."""
    cluster_rules: list[PolicyRuleArgs] = Field(default_factory=list)
    """Rules in the whole cluster, as a ClusterRole."""

    def problems(self) -> Iterable[Problem]:
        for index, rule in enumerate(self.rules):
            if rule.non_resource_urls:
                path = ("rules", index, "non_resource_urls")
                yield Problem(path, "belongs to no namespace", "move the rule to clusterRules")
