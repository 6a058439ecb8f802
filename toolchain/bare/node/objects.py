"""What the built-in node puts into its own cluster, and the client that does it."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from toolchain.bare.node import addresses, pki
from toolchain.bare.node.daemons import STORAGE_PROVISIONER

Object = dict[str, Any]


class Api:
    """The API server, seen as administrator.

    Args:
        folder: Folder with the certificates that `pki.ensure` made.
    """

    def __init__(self, folder: Path) -> None:
        self._context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        self._context.load_cert_chain(folder / "admin.crt", folder / "admin.key")

    def get(self, path: str) -> Any:
        """The object or list at a path; text where the answer is not JSON.

        Raises:
            OSError: There is no answer, or one of refusal.
        """
        return self._request("GET", path)

    def apply(self, item: Object) -> None:
        """Create or change an object by server-side apply.

        Raises:
            OSError: There is no answer, or one of refusal.
        """
        self._request("PATCH", f"{path(item)}?fieldManager={addresses.NAME}&force=true", item)

    def _request(self, method: str, where: str, body: Object | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 (only our own server)
            pki.SERVER + where,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/apply-patch+yaml"} if body else {},
        )
        # Without proxy: the server is on this machine, whatever the environment says about the rest of the world.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._context)
        )
        try:
            with opener.open(request, timeout=5) as answer:
                text = answer.read().decode()
                return json.loads(text) if answer.headers.get_content_type() == "application/json" else text
        except urllib.error.HTTPError as error:
            raise OSError(f"{method} {where}: {error.code} {error.read().decode(errors='replace')[:500]}") from error


def path(item: Object) -> str:
    """Where an object lives in the API."""
    version, kind, metadata = item["apiVersion"], item["kind"].lower(), item["metadata"]
    group = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{group}{namespace}/{kind}{'es' if kind.endswith('s') else 's'}/{metadata['name']}"


def base(folder: Path) -> list[Object]:
    """The storage class, and the Services that lead to cluster DNS and the metrics server.

    Args:
        folder: Folder with the certificates.
    """
    authority = base64.b64encode((folder / "ca.crt").read_bytes()).decode()
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": STORAGE_PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        },
        *_service(
            "kube-dns",
            {"dns": (53, 53, "UDP"), "dns-tcp": (53, 53, "TCP")},
            addresses.DNS_SERVICE,
        ),
        *_service("metrics-server", {"https": (443, 4443, "TCP")}),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": authority,
                "service": {"name": "metrics-server", "namespace": "kube-system"},
            },
        },
    ]


def _service(name: str, ports: dict[str, tuple[int, int, str]], cluster_ip: str | None = None) -> list[Object]:
    """A Service without selector, and the node as its endpoint. Ports are (service port, node port, protocol)."""
    labels = {"app.kubernetes.io/name": name}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
            "spec": {
                **({"clusterIP": cluster_ip} if cluster_ip else {}),
                "ports": [
                    {"name": port, "port": front, "targetPort": back, "protocol": protocol}
                    for port, (front, back, protocol) in ports.items()
                ],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": "kube-system",
                "labels": {**labels, "kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [addresses.NODE], "conditions": {"ready": True}}],
            "ports": [
                {"name": port, "port": back, "protocol": protocol} for port, (_, back, protocol) in ports.items()
            ],
        },
    ]
