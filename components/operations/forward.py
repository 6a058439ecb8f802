"""A port of this machine that leads to a pod, as `kubectl port-forward` opens one, for as long as a check takes."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

from .cluster import Cluster

HOST = "127.0.0.1"
_CHUNK = 65_536


@contextlib.contextmanager
def forwarded(cluster: Cluster, namespace: str, pod: str, port: int) -> Iterator[int]:
    """A port on the loopback interface that leads to a pod while the body runs; yields its number.

    Args:
        cluster: The cluster.
        namespace, pod: The pod.
        port: Its port.
    """
    # The client swaps a function of its own while it connects.
    lock = threading.Lock()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with lock:
                tunnel = _connect(cluster, namespace, pod, port)
            far = tunnel.socket(port)
            back = threading.Thread(target=_pump, args=(far, self.request), daemon=True)
            back.start()
            _pump(self.request, far)
            tunnel.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """The caller sees a closed connection, and says so."""

    with Server((HOST, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _connect(cluster: Cluster, namespace: str, pod: str, port: int) -> Any:
    from kubernetes import client, stream

    api = client.CoreV1Api(cluster.client)
    return stream.portforward(api.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))


def _pump(source: Any, sink: Any) -> None:
    """Copy what comes until one side closes."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
