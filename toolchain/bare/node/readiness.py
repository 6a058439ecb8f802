"""Whether the node is ready for use."""

from __future__ import annotations

import socket
from typing import Any

from toolchain.bare.node import addresses
from toolchain.bare.node.objects import Api


def missing(client: Api, since: str) -> str:
    """What the node still lacks; empty when it is ready. What was written before `since` is from an earlier start."""
    try:
        client.get("/readyz")
        conditions = client.get(f"/api/v1/nodes/{addresses.NAME}")["status"].get("conditions", [])
        ready = next((item for item in conditions if item["type"] == "Ready"), None)
        if not ready or ready["lastHeartbeatTime"] < since:
            return "the kubelet has not reported yet"
        if ready["status"] != "True":
            return ready["message"]
        client.get("/apis/storage.k8s.io/v1/storageclasses/standard")
        client.get("/api/v1/namespaces/default/serviceaccounts/default")
        for pod in client.get("/api/v1/pods?fieldSelector=status.phase%3DRunning")["items"]:
            if _is_stale(pod["status"], since):
                return f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} is not started again yet"
    except OSError as error:
        return f"waiting for the API server: {error}"
    return "" if _resolves() else "cluster DNS does not answer yet"


def _is_stale(status: dict[str, Any], since: str) -> bool:
    """Whether a pod is said to be ready, but by a container that ended with an earlier start of the node."""
    running = (container["state"].get("running") for container in status.get("containerStatuses", []))
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", []))
    return ready and any(state and state["startedAt"] < since for state in running)


def _resolves() -> bool:
    """Whether cluster DNS, asked at its service address as pods do, knows the API server's Service."""
    name = b"".join(
        bytes([len(part)]) + part.encode() for part in f"kubernetes.default.svc.{addresses.DOMAIN}".split(".")
    )
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + b"\x00\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        try:
            client.sendto(question, (addresses.DNS_SERVICE, 53))
            answer = client.recv(512)
        except OSError:
            return False
    return answer[:2] == question[:2] and answer[3] & 0x0F == 0 and answer[7] > 0
