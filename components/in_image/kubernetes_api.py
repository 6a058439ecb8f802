"""The few calls to the Kubernetes API that an upgrade makes, with the token of the pod's account.

Not a program of its own: `upgrade.py` imports it. The image holds no client library, and needs none for this.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from connecting import RefusalError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# How long the API server may be gone, as while a control plane restarts.
PATIENCE = 120.0
MANAGER = "mlflow-upgrade"
_MERGE, _STRATEGIC, _JSON = (
    f"application/{kind}+json" for kind in ("merge-patch", "strategic-merge-patch", "json-patch")
)


class ApiError(RefusalError):
    """The API server has refused a call.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Cluster:
    """The objects of one namespace."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Find the API server of the pod.

        Args:
            say: Logs one line.
        """
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        self._server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._namespace = (ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
        self._say = say
        trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        # Never through a proxy that the environment names.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object; None if there is none of that name."""
        try:
            return self._call("GET", self._path(kind, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """Objects with these labels."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return self._call("GET", f"{self._path(kind)}?{urlencode({'labelSelector': selector})}")["items"]

    def log(self, pod: str, container: str) -> str:
        """What a pod's container has written."""
        return self._call("GET", f"{self._path('pods', pod)}/log?container={container}", parse=str)

    def create(self, kind: str, body: Mapping[str, Any]) -> None:
        """Make an object; one that is there already stays."""
        try:
            self._call("POST", self._path(kind), body)
        except ApiError as error:
            if error.status != 409:
                raise

    def patch(
        self, kind: str, name: str, body: Mapping[str, Any], *, by_name: bool = False, try_out: bool = False
    ) -> None:
        """Change an object.

        Args:
            kind: Its resource.
            name: Its name.
            body: The change; null removes.
            by_name: Whether lists are merged by the names of their items.
            try_out: Change nothing, and only see whether it would be allowed.
        """
        query = f"?fieldManager={MANAGER}" + ("&dryRun=All" if try_out else "")
        self._call("PATCH", self._path(kind, name) + query, body, _STRATEGIC if by_name else _MERGE)

    def let_go(self, kind: str, name: str) -> None:
        """Give up the fields that were changed here, which stay as they are. Else Pulumi's next change of them is a conflict:
        https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts."""
        for _ in range(5):
            metadata = (self.get(kind, name) or {}).get("metadata", {})
            managers = metadata.get("managedFields", [])
            kept = [each for each in managers if each["manager"] != MANAGER]
            if kept == managers:
                return
            known = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
            change = {"op": "replace", "path": "/metadata/managedFields", "value": kept}
            with contextlib.suppress(ApiError):  # a controller has written its status meanwhile
                self._call("PATCH", self._path(kind, name), [known, change], _JSON)
        # No reason to stop here: the servers run.
        self._say(
            f"{kind}/{name}: fields still belong to {MANAGER}; if `pulumi up` meets a conflict, see docs/upgrade.md"
        )

    def _path(self, kind: str, name: str = "") -> str:
        group = {"deployments": "apis/apps/v1", "cronjobs": "apis/batch/v1", "jobs": "apis/batch/v1"}.get(
            kind, "api/v1"
        )
        return f"/{group}/namespaces/{self._namespace}/{kind}" + (f"/{name}" if name else "")

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = "application/json",
        parse: Callable[[str], Any] = json.loads,
    ) -> Any:
        """One call, repeated while the API server does not answer or asks to wait."""
        deadline = time.monotonic() + PATIENCE
        said = False
        while True:
            # Kubernetes writes a new token before the old one expires.
            token = (ACCOUNT / "token").read_text(encoding="utf-8").strip()
            headers = {"Authorization": f"Bearer {token}", "Content-Type": content, "Accept": "application/json"}
            data = None if body is None else json.dumps(body).encode()
            url = self._server + path
            request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - it is https
            try:
                with self._opener.open(request, timeout=30) as answer:
                    return parse(answer.read().decode("utf-8", "replace"))
            except urllib.error.HTTPError as error:
                reason = _message(error)
                if error.code not in (429, 500, 502, 503, 504) or time.monotonic() > deadline:
                    raise ApiError(error.code, f"the Kubernetes API refuses {method} {path}: {reason}") from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = str(getattr(error, "reason", error))
                if time.monotonic() > deadline:
                    text = f"the Kubernetes API did not answer within {PATIENCE:.0f} seconds: {reason}"
                    raise ApiError(0, text) from None
            if not said:
                self._say(f"waiting for the Kubernetes API: {reason}")
                said = True
            time.sleep(1)


def _message(error: urllib.error.HTTPError) -> str:
    text = error.read().decode("utf-8", "replace")
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200] or error.reason
