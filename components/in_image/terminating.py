"""Let a server go on for a while before it is told to end, and have the kubelet take it for not ready meanwhile.

The `preStop` hook of the server's container (`python terminating.py 10`); `front.py` imports it to answer the kubelet's probes.

While all pods of a Service are terminating, requests still go to those that are ready, until the last one has vanished
(https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-to-terminating-endpoints). Who connects in that moment sends to an
address where nobody is, and MLflow's client waits two minutes for an answer. With no pod ready, connections are refused at once instead,
and the client tries again.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from pathlib import Path

# The folder may be a volume that other pods share or inherit.
MARK = Path(os.environ.get("TMPDIR", "/tmp"), f"terminating-{socket.gethostname()}")  # noqa: S108
PROBE = "kube-probe/"
"""What the kubelet calls itself, before its version. Nobody else need know: what is sent here is still answered."""


def main(seconds: str) -> None:
    """Go on for so long."""
    with contextlib.suppress(OSError):  # a full disk is no reason to end at once
        MARK.touch()
    time.sleep(int(seconds))


if __name__ == "__main__":
    main(sys.argv[1])
