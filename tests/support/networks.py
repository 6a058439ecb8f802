"""A network of its own for a client, with two ways to this machine, one of which can go silent."""

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain.bare import debian

NAME = "database.test"
"""A host name that is known in the network alone."""


@dataclass(frozen=True)
class Network:
    """A network namespace; see `network`.

    Attributes:
        name: Its name.
        addresses: This machine's addresses at the two ways.
        inside: The namespace's own address at the second way.
    """

    name: str
    addresses: tuple[str, str]
    inside: str

    def command(self, *command: str | Path) -> list[str]:
        """A command that runs in the network."""
        return [*_ip("netns", "exec", self.name), *map(str, command)]

    def resolve(self, address: str) -> None:
        """Let the name lead to an address, for whoever asks from now on."""
        # In place: the file is mounted over /etc/hosts of processes that run already.
        _hosts(self.name).write_text(f"127.0.0.1 localhost\n{address} {NAME}\n")

    def cut(self) -> None:
        """Drop every packet of the first way in both directions. Nobody is told."""
        peer = self.addresses[0].removesuffix("1") + "2"
        run("route", "add", "blackhole", f"{peer}/32")

    def mend(self) -> None:
        """Undo `cut`."""
        peer = self.addresses[0].removesuffix("1") + "2"
        run("route", "del", "blackhole", f"{peer}/32")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Make the namespace, in which `NAME` leads over the first way. Needs root."""
    own = secrets.token_hex(3)
    name = f"mlflow-test-{own}"
    third = secrets.randbelow(200) + 20
    addresses = (f"10.219.{third}.1", f"10.220.{third}.1")
    _hosts(name).parent.mkdir(parents=True)
    made = Network(name, addresses, addresses[1].removesuffix("1") + "2")
    try:
        made.resolve(addresses[0])
        run("netns", "add", name)
        run("-n", name, "link", "set", "lo", "up")
        for number, address in enumerate(addresses):
            here, there = f"vt{own}{number}", f"way{number}"
            run("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
            run("address", "add", f"{address}/30", "dev", here)
            run("link", "set", here, "up")
            run("-n", name, "address", "add", f"{address.removesuffix('1')}2/30", "dev", there)
            run("-n", name, "link", "set", there, "up")
        yield made
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            made.mend()
        subprocess.run(_ip("netns", "delete", name), check=False)
        _hosts(name).unlink()
        for folder in (_hosts(name).parent, _hosts(name).parent.parent):
            with contextlib.suppress(OSError):  # of others as well
                folder.rmdir()


def run(*arguments: str) -> None:
    """Run `ip`."""
    subprocess.run(_ip(*arguments), check=True, capture_output=True)


def _ip(*arguments: str) -> Sequence[str]:
    for program in ("/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"):
        if os.access(program, os.X_OK):
            return [program, *arguments]
    return [str(debian.unpack(["iproute2"]) / "sbin/ip"), *arguments]


def _hosts(name: str) -> Path:
    """What `ip netns exec` mounts over /etc/hosts."""
    return Path("/etc/netns", name, "hosts")
