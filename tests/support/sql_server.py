"""The beginning of a SQL Server: it agrees on encryption and reads the login, and no more.

The protocol: https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/. PRELOGIN packets carry what is agreed, and the TLS
handshake.
"""

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.certificates import Certificates

_PRELOGIN, _RESPONSE, _LAST = 0x12, 0x04, 0x01
_HEADER = ">BBHHBB"
_OFF, _ON, _NOT_SUPPORTED = 0, 1, 2
_LOGIN_TEXTS = 36
"""Where a LOGIN7 message says where its texts are: host, user and password come first."""


@dataclass
class Login:
    """What a client sent.

    Attributes:
        encrypted: Whether it came through TLS.
        user, password: As the client knows them.
    """

    encrypted: bool
    user: str
    password: str


@dataclass
class SqlServer:
    """One that listens on the loopback.

    Attributes:
        port: Its port.
        logins: Those of clients that got that far.
        encrypts: Whether it can encrypt.
    """

    port: int
    encrypts: bool
    context: ssl.SSLContext
    logins: list[Login] = field(default_factory=list)

    def answer(self, connection: socket.socket) -> None:
        """One client, until it gives up."""
        with connection, contextlib.suppress(ConnectionError, EOFError, ssl.SSLError):
            asked = _encryption(_packet(connection))
            offer = _ON if self.encrypts and asked != _NOT_SUPPORTED else _NOT_SUPPORTED
            # Version and encryption: number, place and length of each, then the values.
            options = struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF) + bytes([16, 0, 0, 0, 0, 0, offer])
            _send(connection, _RESPONSE, options)
            if offer == _ON:
                self.logins.append(_login(self._through_tls(connection)[struct.calcsize(_HEADER) :], encrypted=True))
            elif asked != _ON:
                self.logins.append(_login(_packet(connection), encrypted=False))

    def _through_tls(self, connection: socket.socket) -> bytes:
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(received, sent, server_side=True)
        while True:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            if sent.pending:
                _send(connection, _PRELOGIN, sent.read())
            if done:
                break
            received.write(_packet(connection))
        while True:
            received.write(_some(connection))
            with contextlib.suppress(ssl.SSLWantReadError):
                return tls.read(1 << 16)


@contextlib.contextmanager
def listening(certificates: Certificates, *, encrypts: bool = True) -> Iterator[SqlServer]:
    """A server with this certificate, until the end of the block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "server.pem")
        chain.write_text(certificates.certificate + certificates.key)
        context.load_cert_chain(chain)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SqlServer(listener.getsockname()[1], encrypts, context)

        def serve() -> None:
            with contextlib.suppress(OSError):  # the listener is closed at the end
                while True:
                    threading.Thread(target=server.answer, args=[listener.accept()[0]], daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


def _some(connection: socket.socket, most: int = 1 << 16) -> bytes:
    data = connection.recv(most)
    if not data:
        raise EOFError
    return data


def _packet(connection: socket.socket) -> bytes:
    """The content of one packet."""
    size, data = struct.calcsize(_HEADER), b""
    while len(data) < size or len(data) < struct.unpack(_HEADER, data[:size])[2]:
        length = size if len(data) < size else struct.unpack(_HEADER, data[:size])[2]
        data += _some(connection, length - len(data))
    return data[size:]


def _send(connection: socket.socket, kind: int, data: bytes) -> None:
    connection.sendall(struct.pack(_HEADER, kind, _LAST, struct.calcsize(_HEADER) + len(data), 0, 0, 0) + data)


def _encryption(prelogin: bytes) -> int:
    """What a client asks for."""
    at = 0
    while prelogin[at] != 1:
        at += 5
    return prelogin[struct.unpack(">H", prelogin[at + 1 : at + 3])[0]]


def _login(message: bytes, *, encrypted: bool) -> Login:
    places = struct.unpack("<6H", message[_LOGIN_TEXTS : _LOGIN_TEXTS + 12])
    _, user, password = (
        message[start : start + 2 * length] for start, length in zip(places[::2], places[1::2], strict=True)
    )
    # Each byte of a password has its halves swapped and is combined with 0xA5.
    shown = bytes(((byte ^ 0xA5) << 4 & 0xF0) | ((byte ^ 0xA5) >> 4) for byte in password)
    return Login(encrypted, user.decode("utf-16-le"), shown.decode("utf-16-le"))
