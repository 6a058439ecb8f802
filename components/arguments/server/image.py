"""The container image."""

import enum
from collections.abc import Iterable

from pydantic import Field

from ... import versions
from ..base import Block, Input, Problem, block, plain
from ..checks import duplicates, kubernetes_name, pattern

__all__ = ["ImageArgs", "PullPolicy"]


class PullPolicy(enum.Enum):
    """When the kubelet pulls the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


@block
class ImageArgs(Block):
    """The container image that the server and the migration run."""

    repository: Input[str] = versions.MLFLOW_REPOSITORY
    """Repository, including the registry host."""
    tag: Input[str] = versions.MLFLOW_TAG
    """Tag. The official `-full` images contain the database drivers and cloud clients, the plain ones do not."""
    digest: Input[str] | None = None
    """Digest (`sha256:…`); pins the image regardless of the tag."""
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    """When the kubelet pulls the image."""
    pull_secrets: list[Input[str]] = Field(default_factory=list)
    """Names of existing Secrets with registry credentials."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(
            self.repository,
            r"[a-z0-9]+([._-][a-z0-9]+)*(:\d+)?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*",
            "repository",
            "an image repository",
            "write it as host/path, without tag or scheme",
        )
        yield from pattern(
            self.tag, r"[\w][\w.-]{0,127}", "tag", "an image tag", "use letters, digits, '.', '_' and '-'"
        )
        yield from pattern(
            self.digest, r"sha256:[0-9a-f]{64}", "digest", "an image digest", "write sha256: and 64 hex digits"
        )
        for index, name in enumerate(self.pull_secrets):
            for problem in kubernetes_name(name, "name", "the name of a Secret"):
                yield Problem(("pull_secrets", index), problem.message, problem.fix)
        yield from duplicates([plain(name) for name in self.pull_secrets], ("pull_secrets",), "name")
