"""The cluster, through the official client with the user's own kubeconfig and rights.

Objects are plain dictionaries as the API answers them. The client's typed models would drop fields that are newer than the client, and a
Job must be exactly what the CronJob's template says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import FAILED, NOT_FOUND, MissingError, OperationError

Object = dict[str, Any]
"""An object of the API."""

MANAGER = "pulumi-mlflow"
"""Who changed a field, in the eyes of the API server."""
CONNECT_SECONDS, READ_SECONDS = 10, 60

_PATHS = {
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "statefulsets": "/apis/apps/v1",
    "cronjobs": "/apis/batch/v1",
    "jobs": "/apis/batch/v1",
    "pods": "/api/v1",
    "events": "/api/v1",
    "secrets": "/api/v1",
    "configmaps": "/api/v1",
    "services": "/api/v1",
    "serviceaccounts": "/api/v1",
    "persistentvolumeclaims": "/api/v1",
}
_ROLE = "The Role of operators is in docs/command-line.md; `kubectl auth can-i --list --namespace {}` shows what you may do."


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers to the user.

    Attributes:
        client: The official client, which knows address, certificates and login.
        context: Context of the kubeconfig that was asked for; None for the current one.
        namespace: Namespace of the context.
    """

    client: Any
    context: str | None
    namespace: str

    @classmethod
    def connect(cls, context: str | None) -> Cluster:
        """The cluster of a context; within a pod and without a kubeconfig, the cluster that the pod runs in.

        Raises:
            OperationError: There is no kubeconfig, or it has no such context.
        """
        from kubernetes import client, config

        contexts: list[Object]
        try:
            contexts, active = config.list_kube_config_contexts()  # type: ignore[assignment]
        except config.ConfigException as error:
            if context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
                config.load_incluster_config()
                return cls(client.ApiClient(), None, _namespace_of_pod())
            where = os.environ.get("KUBECONFIG") or "~/.kube/config"
            raise OperationError(
                f"there is no kubeconfig with a current context in {where} ({error})",
                "Set KUBECONFIG to the file of your cluster, or write one with your cloud's command, such as `aws eks "
                "update-kubeconfig`.",
            ) from error
        found = next((each for each in contexts if each["name"] == context), None) if context else active
        if not found:
            raise OperationError(
                f"the kubeconfig has no context {context!r}",
                f"Use one of those it has: {', '.join(sorted(each['name'] for each in contexts)) or 'none'}.",
                NOT_FOUND,
            )
        try:
            made = config.new_client_from_config(context=context)
        except config.ConfigException as error:
            raise OperationError(
                f"the context {found['name']} of the kubeconfig is unusable: {error}", "Mend the kubeconfig."
            ) from error
        return cls(made, context, found["context"].get("namespace") or "default")

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """An object.

        Raises:
            MissingError: It is not there.
            OperationError: The cluster does not answer, or refuses.
        """
        return json.loads(self._request("get", kind, namespace, name).data)

    def list(self, kind: str, namespace: str | None, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Objects of a kind.

        Args:
            kind: The kind as the API's path spells it, such as `cronjobs`.
            namespace: The namespace; None for all.
            labels: Labels that they must have.
        """
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        answer = json.loads(self._request("list", kind, namespace, label_selector=selector or None).data)
        return [{"kind": answer["kind"].removesuffix("List"), **each} for each in answer["items"]]

    def create(self, kind: str, body: Object) -> Object:
        """Make an object; returns it as it was made."""
        return json.loads(
            self._request("create", kind, body["metadata"]["namespace"], body=body, field_manager=MANAGER).data
        )

    def patch(self, kind: str, namespace: str, name: str, body: Any) -> Object:
        """Change an object.

        Args:
            kind, namespace, name: The object.
            body: A strategic merge patch, or as a list a JSON patch.
        """
        content = f"application/{'json-patch' if isinstance(body, list) else 'strategic-merge-patch'}+json"
        made = self._request("patch", kind, namespace, name, body=body, content_type=content, field_manager=MANAGER)
        return json.loads(made.data)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object and what belongs to it."""
        self._request("delete", kind, namespace, name, propagation_policy="Background")

    def log(self, namespace: str, pod: str, container: str) -> Iterator[str]:
        """Lines of a container's log as they are written, until the container ends or says nothing for a minute."""
        query = [("container", container), ("follow", "true")]
        answer = self._request("get", "pods", namespace, f"{pod}/log", query_params=query)
        rest = b""
        for chunk in answer.stream():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        if rest:
            yield rest.decode(errors="replace")

    def kubectl(self, command: str, namespace: str) -> str:
        """A command of kubectl for the user to copy."""
        return f"kubectl {f'--context {self.context} ' if self.context else ''}--namespace {namespace} {command}"

    def _request(self, verb: str, kind: str, namespace: str | None, name: str = "", **options: Any) -> Any:
        from kubernetes.dynamic import DynamicClient, exceptions
        from urllib3.exceptions import HTTPError

        where = f"/namespaces/{namespace}" if namespace else ""
        path = f"{_PATHS[kind]}{where}/{kind}" + (f"/{name}" if name else "")
        method = {"list": "get", "create": "post"}.get(verb, verb)
        # Without discovery, which takes requests and a file of its own: the few paths are known.
        client = DynamicClient(self.client, discoverer=lambda *_: None)
        place = f"the namespace {namespace}" if namespace else "all namespaces"
        resource = f"{kind}/log" if name.endswith("/log") else kind
        try:
            return client.request(
                method, path, serialize=False, _request_timeout=(CONNECT_SECONDS, READ_SECONDS), **options
            )
        except exceptions.ForbiddenError as error:
            text = _reason(error)
            if "is forbidden: User" not in text:  # admission, such as a quota or a policy
                raise OperationError(
                    f"the cluster refuses to {verb} {kind} {name}: {text}", "Mend what it says."
                ) from None
            raise OperationError(
                f"you may not {verb} {resource} in {place}: {text}", _ROLE.format(namespace or "…")
            ) from None
        except exceptions.UnauthorizedError:
            raise OperationError(
                f"the cluster {self.client.configuration.host} does not accept your login",
                "Log in to it again, and try `kubectl auth whoami`.",
            ) from None
        except exceptions.NotFoundError as error:
            raise MissingError(f"{resource} {name} not found in {place}", _reason(error), NOT_FOUND) from None
        except exceptions.DynamicApiError as error:
            raise OperationError(
                f"the cluster refuses to {verb} {resource} {name}: {_reason(error)}", "Mend what it says.", FAILED
            ) from None
        except (HTTPError, OSError) as error:
            raise OperationError(
                f"the cluster {self.client.configuration.host} does not answer: {getattr(error, 'reason', error)}",
                "See that its address is right, that it runs, and that a VPN or proxy is on where one is needed.",
            ) from error


def _reason(error: Any) -> str:
    """What the API server says of a refusal."""
    try:
        return json.loads(error.body)["message"]
    except (KeyError, TypeError, ValueError):
        return str(error.reason)


def _namespace_of_pod() -> str:
    try:
        return Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read_text(encoding="utf-8").strip()
    except OSError:
        return "default"
