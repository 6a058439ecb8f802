"""Images of one static program that is built from Go modules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toolchain.bare import golang, oci
from toolchain.bare.images import layers


@dataclass(frozen=True)
class GoImage:
    """An image with one program and nothing else: no shell, no certificates.

    Attributes:
        component: Key of `golang.COMPONENTS`.
        program: Where the program is in the official image.
        cmd: Arguments that the official image gives it, and that a pod's `args` replace.
        user: User that the official image runs as, a number.
    """

    component: str
    program: str
    cmd: tuple[str, ...] = ()
    user: str = ""

    expect = "a few minutes when nothing is cached"

    def content(self) -> list[str]:
        """What the image is made of; another content is another image."""
        return [repr(self), golang.key(self.component)]

    def build(self, reference: str, folder: Path) -> None:
        """Make the archive `image.tar`."""
        binary = golang.build([self.component])[self.component]
        layer = folder / "program.tar"
        oci.write_layer(layer, binary, self.program)
        path = f"{Path(self.program).parent}:/usr/local/bin:/usr/bin:/bin"
        oci.write_image(
            folder / "image.tar",
            reference,
            [layer],
            env={"PATH": path, "HOME": "/tmp"},  # noqa: S108 - the one folder that pods may write to
            entrypoint=[self.program],
            cmd=self.cmd,
            user=self.user,
            labels=layers.LABELS,
        )
        layer.unlink()
