"""What Pod Security `restricted` forbids, in the parts of a pod written by users.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..base import Path, Problem, plain

_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
_FIX = "leave it out, or set createNamespace to false and use a namespace that allows it"


def volume(value: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """A volume, in camelCase."""
    for kind in value:
        if kind not in ("name", *_VOLUMES):
            fix = f"use {', '.join(_VOLUMES[:-1])} or {_VOLUMES[-1]}, or set createNamespace to false and use a namespace that allows it"
            yield Problem((*path, kind), "is not allowed by Pod Security 'restricted'", fix)


def security_context(value: Any, path: Path) -> Iterator[Problem]:
    """The user's security context of a pod or container, in camelCase, which is merged over the component's."""
    context = value if isinstance(value, Mapping) else {}
    for key, wrong in {
        "privileged": True,
        "allowPrivilegeEscalation": True,
        "runAsNonRoot": False,
        "runAsUser": 0,
        "procMount": "Unmasked",
    }.items():
        found = plain(context.get(key))
        if found == wrong and isinstance(found, bool) is isinstance(wrong, bool):
            yield _forbidden((*path, key), found)
    capabilities = context.get("capabilities") or {}
    for added in capabilities.get("add") or ():
        if added != "NET_BIND_SERVICE":
            yield _forbidden((*path, "capabilities", "add"), added)
    dropped = capabilities.get("drop")
    if dropped is not None and "ALL" not in dropped:
        yield Problem((*path, "capabilities", "drop"), "leaves capabilities that 'restricted' forbids", "write [ALL]")
    if (kind := plain((context.get("seccompProfile") or {}).get("type"))) == "Unconfined":
        yield _forbidden((*path, "seccompProfile", "type"), kind)
    if context.get("sysctls"):
        yield _forbidden((*path, "sysctls"), "it")
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield _forbidden((*path, "windowsOptions", "hostProcess"), True)


def container(value: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """A container, in camelCase."""
    yield from security_context(value.get("securityContext"), (*path, "securityContext"))
    for index, port in enumerate(value.get("ports") or ()):
        if port.get("hostPort"):
            yield _forbidden((*path, "ports", index, "hostPort"), port["hostPort"])


def _forbidden(path: Path, value: Any) -> Problem:
    return Problem(path, f"{value!r} is not allowed by Pod Security 'restricted'", _FIX)
