"""Stacks that are up, shared by the tests of a module."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support import canaries
from tests.support.configurations import merged
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl
from tests.support.pulumi import Result, Stack
from tests.support.stores import Store


@dataclasses.dataclass(frozen=True)
class Deployed:
    """A stack that is up.

    Attributes:
        stack: The stack.
        values: Its configuration.
        secrets: The secrets in its configuration by path.
        up: How it came up.
    """

    stack: Stack
    values: dict[str, Any]
    secrets: Mapping[str, str]
    up: Result

    @property
    def namespace(self) -> str:
        return self.values["namespace"]

    def reconfigure(self, secrets: Mapping[str, str] | None = None, **values: Any) -> Stack:
        """The stack with changed values and further secrets in its configuration, which takes an `up` to apply."""
        return self.stack.configure(merged(self.values, values), {**self.secrets, **(secrets or {})})

    def move(self, kubectl: Kubectl, store: Store, **artifacts: Any) -> None:
        """Put the deployment on another artifact store, and wait for its new pods.

        Args:
            kubectl: The cluster.
            store: The store.
            **artifacts: Further values of the block `artifacts`.
        """
        values = {"artifacts": {**store.artifacts, **artifacts}, "server": {"env": dict(store.env)}}
        others = {path: value for path, value in self.secrets.items() if not path.startswith("artifacts.")}
        self.stack.configure(merged(self.values, values), {**others, **store.secrets}).up().succeeded()
        kubectl.rolled_out(self.namespace)


@contextlib.contextmanager
def deploy(
    new_stack: Deploy, kubectl: Kubectl, values: dict[str, Any], secrets: Mapping[str, str]
) -> Iterator[Deployed]:
    """Bring a stack up, and down at the end, which must leave nothing."""
    with new_stack() as stack:
        yield Deployed(stack, values, secrets, stack.configure(values, secrets).up().succeeded())
    assert not kubectl.exists("namespace", values["namespace"])


def own_keys() -> dict[str, str]:
    """Keys to give instead of those that are generated, by path."""
    return {
        "keys.flaskSecretKey": canaries.token(),
        "keys.kekPassphrase": canaries.token(),
        "keys.webhookSecretEncryptionKey": canaries.fernet(),
    }
