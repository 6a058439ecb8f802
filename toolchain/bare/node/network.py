"""The host's side of the node's network: one link, two routes, and a way out where the host has one itself.

The link goes with the node's network namespace, and the routes with the link. Only what lets packets through the host to
the outside (forwarding, masquerading) stays in the host's tables until `close_way_out` takes it back.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from toolchain.bare.node import addresses
from toolchain.console import UserError

_COMMENT = addresses.LINK
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_RULES = (
    ("nat", "POSTROUTING", ("-s", addresses.NETWORK, "!", "-d", addresses.NETWORK, "-j", "MASQUERADE")),
    ("filter", "FORWARD", ("-i", addresses.LINK, "-j", "ACCEPT")),  # container engines drop what they do not know
    ("filter", "FORWARD", ("-o", addresses.LINK, "-j", "ACCEPT")),
)


def check_free() -> None:
    """Raise `UserError` if a route into the node's network exists that is not the node's."""
    found = _ip("-j", "route", "show", "table", "all", "root", addresses.NETWORK)
    foreign = [route for route in json.loads(found or "[]") if route.get("dev") != addresses.LINK]
    if foreign:
        route = " ".join(f"{key} {foreign[0][key]}" for key in ("dst", "gateway", "dev") if key in foreign[0])
        raise UserError(
            f"the built-in Kubernetes needs {addresses.NETWORK}, but this machine has a route into it: {route}",
            "Remove that route or disconnect that network, or name an existing cluster instead.",
        )


def connect(process: int) -> None:
    """Make the link between the host and the network namespace of the process, whose end is called eth0."""
    peer = ("peer", "name", "eth0", "netns", str(process))
    _ip("link", "add", addresses.LINK, "type", "veth", *peer)
    _ip("address", "add", f"{addresses.HOST}/{addresses.LINK_PREFIX}", "dev", addresses.LINK)
    _ip("link", "set", addresses.LINK, "up")
    for destination in (addresses.SERVICES, addresses.PODS):
        _ip("route", "add", destination, "via", addresses.NODE, "dev", addresses.LINK)


def disconnect() -> None:
    """Remove what a node that ended otherwise may have left."""
    link = Path("/sys/class/net", addresses.LINK)
    if link.exists():
        try:
            _ip("link", "delete", addresses.LINK)
        except UserError:
            if link.exists():  # else the kernel was quicker: the link ends with the node's namespace, a moment after it
                raise


def has_way_out() -> bool:
    """True if the host has a default route that pods can use to reach registries and the like."""
    return bool(json.loads(_ip("-4", "-j", "route", "show", "default") or "[]"))


def forwarding() -> str:
    """The host's present setting of IPv4 forwarding, "0" or "1"."""
    return _FORWARDING.read_text().strip()


def open_way_out(environment: Mapping[str, str]) -> None:
    """Let the node's packets out through the host. Rules carry a comment by which `close_way_out` finds them."""
    close_way_out(environment, None)
    if forwarding() != "1":
        _FORWARDING.write_text("1")
    program = iptables(environment)
    for table, chain, rule in _RULES:
        command = [
            program,
            "-w",
            "-t",
            table,
            "-I",
            chain,
            *rule[:-2],
            "-m",
            "comment",
            "--comment",
            _COMMENT,
            *rule[-2:],
        ]
        _run(command, environment)


def close_way_out(environment: Mapping[str, str], former_forwarding: str | None) -> None:
    """Remove our rules from the host's tables, and give forwarding its former value unless that is None."""
    program = iptables(environment)
    for table, chain in {(table, chain) for table, chain, _ in _RULES}:
        for line in _run([program, "-w", "-t", table, "-S", chain], environment).splitlines():
            words = line.split()
            if words[0] == "-A" and _COMMENT in [word.strip('"') for word in words]:
                _run([program, "-w", "-t", table, "-D", *(word.strip('"') for word in words[1:])], environment)
    if former_forwarding is not None and former_forwarding != forwarding():
        _FORWARDING.write_text(former_forwarding)


def iptables(environment: Mapping[str, str]) -> str:
    """The iptables program that works with this kernel, preferring what the system itself calls iptables.

    Raises:
        UserError: None does.
    """
    for program in ("iptables", "iptables-nft", "iptables-legacy"):
        if _works([program, "-w", "-t", "nat", "-S"], environment):
            return program
    raise UserError(
        "iptables does not work on this machine's kernel",
        "The built-in Kubernetes needs a kernel with netfilter (nf_tables or ip_tables, and NAT).",
    )


def _ip(*arguments: str) -> str:
    return _run(["ip", *arguments], None)


def _works(command: list[str], environment: Mapping[str, str]) -> bool:
    try:
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _run(command: list[str], environment: Mapping[str, str] | None) -> str:
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise UserError(
            f"`{' '.join(command)}` failed: {answer.stderr.strip()}",
            "The built-in Kubernetes needs a kernel with virtual Ethernet links and netfilter, and full root rights.",
        )
    return answer.stdout
