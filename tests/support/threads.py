"""Servers that are a thread of the test."""

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def serving(server: socketserver.TCPServer, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Have a server answer until the body ends; yields its port.

    Args:
        server: It listens already.
        tls: How it speaks TLS, if it does.
    """
    if tls is not None:
        # Not while a connection is accepted: who says nothing would keep all others waiting.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
