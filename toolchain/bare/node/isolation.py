"""The node's own view of the machine: root file system, control groups, network.

Called in fresh mount, network, UTS, IPC and PID namespaces, so all of it ends with the last process in them. The root is a
tmpfs in which the host's folders are mounted read-only. `/run`, `/tmp` and `/var` are the node's own, which keeps sockets
short and leaves nothing on the host; what must survive a stop is under `/node`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from toolchain.bare.node import addresses
from toolchain.bare.node.daemons import CGROUP, RESOLV
from toolchain.bare.node.network import iptables
from toolchain.bare.node.settings import Settings

_OWN = ("run", "tmp", "var", "proc", "sys", "node")
_CGROUPS = Path("/sys/fs/cgroup")

# Settings of the whole kernel that the kubelet insists on. It sees these values instead of changing the host's.
_KUBELET_SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def enter_root(root: Path, settings: Settings) -> bool:
    """Build the node's root on the empty folder `root` and change into it.

    Returns:
        Whether the node has a name server for names outside the cluster.
    """
    name_servers = _name_servers()
    resolver = Path("/etc/resolv.conf").resolve()
    _mount("-t", "tmpfs", "-o", "mode=755", "node", root)
    for entry in Path("/").iterdir():
        inside = root / entry.name
        if entry.is_symlink():
            inside.symlink_to(entry.readlink())
        elif entry.name in _OWN:
            continue
        elif entry.is_dir():
            inside.mkdir()
            _mount("--rbind", entry, inside)
            if entry.name != "dev":
                _mount("-o", "remount,bind,ro", inside)
    for folder in (*_OWN, "run/host", "run/node", "run/bin", "var/lib", "var/log", "var/tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    (root / "var/run").symlink_to("/run")
    for path in settings.visible:
        inside = root / path.lstrip("/")
        if Path(path).parts[1] in _OWN:
            inside.mkdir(parents=True, exist_ok=True)
            _mount("--bind", path, inside)
    _mount("--bind", settings.state, root / "node")
    _mount("-t", "proc", "proc", root / "proc")
    _mount("-t", "sysfs", "sysfs", root / "sys")
    _mount("--rbind", _CGROUPS, root / "sys/fs/cgroup")

    os.chdir(root)
    subprocess.run(["pivot_root", ".", "run/host"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "--lazy", "/run/host"], check=True)
    _mount("--make-rshared", "/")  # the kubelet's mounts must reach the containers

    RESOLV.write_text("".join(f"nameserver {address}\n" for address in name_servers))
    with contextlib.suppress(OSError):
        resolver.parent.mkdir(parents=True, exist_ok=True)
        resolver.touch()
    if resolver.exists():
        _mount("--bind", RESOLV, resolver)
    for name, value in _KUBELET_SYSCTLS.items():
        if Path("/proc/sys", name).exists():
            shown = Path("/run/node/sysctl", name)
            shown.parent.mkdir(parents=True, exist_ok=True)
            shown.write_text(f"{value}\n")
            _mount("--bind", shown, Path("/proc/sys", name))
    Path("/proc/sys/kernel/hostname").write_text(addresses.NAME)
    return bool(name_servers)


def _name_servers() -> list[str]:
    """The host's name servers, without those that only the host itself can reach."""
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        with contextlib.suppress(OSError):
            words = [line.split() for line in Path(path).read_text().splitlines()]
            found = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
            if reachable := [address for address in found if not address.startswith("127.") and ":" not in address]:
                return reachable
    return []


def set_up_network(settings: Settings) -> None:
    """Give the node's end of the link its address, routes, forwarding, and the iptables that works."""
    for arguments in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{addresses.NODE}/{addresses.LINK_PREFIX}", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        # The node's own packets to a Service need some route before their address is translated.
        ("route", "add", "default" if settings.way_out else addresses.SERVICES, "via", addresses.HOST),
    ):
        subprocess.run(["ip", *arguments], check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    # Otherwise the kernel tells an address only once a second that a Service has no pods, and all clients on this machine share one.
    Path("/proc/sys/net/ipv4/icmp_ratelimit").write_text("0")
    kind = iptables(settings.environment)
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            program = shutil.which(kind.replace("iptables", family) + suffix, path=settings.environment["PATH"])
            if program:
                Path("/run/bin", family + suffix).symlink_to(program)


def enter_cgroup() -> None:
    """Move this process, and thereby all daemons, into control groups of their own in every hierarchy."""
    for hierarchy in cgroup_hierarchies():
        _enable_controllers(hierarchy)
        group = hierarchy / CGROUP
        for folder in (group, group / "system"):
            folder.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):  # version 1 starts with none, and then takes no process
                if hierarchy.name == "cpuset" and (folder / file).exists():
                    (folder / file).write_text((folder.parent / file).read_text())
        _enable_controllers(group)
        (group / "system" / "cgroup.procs").write_text("0")


def cgroup_hierarchies() -> Iterator[Path]:
    """The roots of the control group hierarchies: one in version 2, one per set of controllers in version 1."""
    if (_CGROUPS / "cgroup.procs").exists():
        yield _CGROUPS
        return
    for path in sorted(_CGROUPS.iterdir()):
        if not path.is_symlink() and (path / "cgroup.procs").exists():
            yield path


def _enable_controllers(group: Path) -> None:
    """In version 2, hand the controllers down to the groups below."""
    available = group / "cgroup.controllers"
    if available.exists():
        for controller in available.read_text().split():
            with contextlib.suppress(OSError):  # in use elsewhere
                (group / "cgroup.subtree_control").write_text(f"+{controller}")


def remove_cgroups() -> None:
    """Remove the control groups that `enter_cgroup` and the kubelet made. They hold no process any more."""
    for hierarchy in cgroup_hierarchies():
        for folder, _, _ in os.walk(hierarchy / CGROUP, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)
