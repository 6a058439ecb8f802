"""The rules of Pod Security `restricted` on a pod specification, as far as a manifest can break them.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ (the API server itself checks them in the cluster tests)
"""

from collections.abc import Iterator, Mapping
from typing import Any

_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip


def violations(pod: Mapping[str, Any]) -> list[str]:
    """What the profile forbids in a pod specification; empty if it is admitted."""
    return [*_of_pod(pod), *(f"{c['name']}: {reason}" for c in containers(pod) for reason in _of_container(pod, c))]


def containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All containers of a pod specification."""
    return [c for kind in ("initContainers", "containers", "ephemeralContainers") for c in pod.get(kind) or []]


def _of_pod(pod: Mapping[str, Any]) -> Iterator[str]:
    for flag in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(flag):
            yield flag
    for volume in pod.get("volumes") or []:
        if kinds := set(volume) - {"name"} - _VOLUMES:
            yield f"volume {volume['name']}: {', '.join(kinds)}"
    if (pod.get("securityContext") or {}).get("sysctls"):
        yield "sysctls"


def _of_container(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext") or {}
    effective = {**(pod.get("securityContext") or {}), **own}
    capabilities = own.get("capabilities") or {}
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if "ALL" not in (capabilities.get("drop") or []):
        yield "capabilities are not dropped"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if effective.get("runAsNonRoot") is not True:
        yield "runAsNonRoot"
    if effective.get("runAsUser") == 0:
        yield "runAsUser"
    if (effective.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield "hostPort"
