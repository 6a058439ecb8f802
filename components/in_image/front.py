"""What requests pass before they reach MLflow's application. Runs in the MLflow server's process, as an application of MLflow.

`mlflow server --app-name` finds `create` by an entry point and serves what it returns: the application that was chosen, behind
what MLflow leaves to others.

- Host names have no case and may end with a dot, which MLflow's comparisons do not know.
- Forwarded headers are believed if a trusted proxy has sent them. Uvicorn could do that, but not look through a proxy in the
  same pod, which hands on what anybody has sent to it.
- Under a static prefix MLflow reads a whole upload into memory, since its streaming routes have no prefix
  (https://github.com/mlflow/mlflow/issues/22665). Artifacts are therefore asked for without it.
- Beside Litestream, checkpoints of SQLite are left to it.
- Most artifact stores are given whole files, which MLflow keeps in `/tmp` until they are complete. What does not fit waits, or is
  refused; it would otherwise end the pod, and everybody's requests with it.
- A pod that is about to end is not ready, for the kubelet alone: see `terminating.py`.
"""

from __future__ import annotations

import asyncio
import fnmatch
import inspect
import ipaddress
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import database_outage
import terminating
from database_outage import Message, Receive, Send

ARTIFACTS = ("/api/2.0/mlflow-artifacts/artifacts/", "/ajax-api/2.0/mlflow-artifacts/artifacts/")
PATIENCE = 60
"""How long an upload waits for others to end, in seconds: less than MLflow's client waits (120)."""
FRESH = 1
"""How long it is known what the folder holds besides uploads, in seconds."""


def create() -> Front:
    """The application, and this in front of it."""
    database_outage.listen()
    if pages := os.environ.get("FRONT_CHECKPOINT_PAGES"):
        checkpoint_rarely(int(pages))
    return Front(database_outage.answering(application(os.environ.get("FRONT_APP", ""))))


def checkpoint_rarely(pages: int) -> None:
    """Have this process copy SQLite's write-ahead log into the database only when it is this long: what sends it elsewhere does so."""
    import sqlalchemy  # pyright: ignore[reportMissingImports]

    def used(connection: Any, record: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection) and not record.info.get("checkpoints"):
            connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
            record.info["checkpoints"] = pages

    # Not when it is made: MLflow has made some before its application.
    sqlalchemy.event.listen(sqlalchemy.Engine, "checkout", used)


def application(name: str) -> Any:
    """The application that has this name besides ours; MLflow's own if there is no name."""
    if not name:
        from mlflow.server.fastapi_app import app  # pyright: ignore[reportMissingImports]

        return app
    found = next(e for e in metadata.entry_points(group="mlflow.app", name=name) if e.module != __name__)
    loaded = found.load()
    return loaded() if inspect.isfunction(loaded) else loaded


def streams_without_prefix(prefix: str) -> bool:
    """Whether this version of MLflow has streaming routes, and none under the prefix."""
    from mlflow.server.fastapi_app import app  # pyright: ignore[reportMissingImports]
    from starlette.routing import Match, Mount  # pyright: ignore[reportMissingImports]

    def streams(path: str) -> bool:
        scope = {"type": "http", "method": "PUT", "path": path, "root_path": "", "headers": []}
        # What is mounted is the Flask application.
        return any(route.matches(scope)[0] is Match.FULL for route in app.routes if not isinstance(route, Mount))

    path = f"{ARTIFACTS[0]}file"
    return streams(path) and not streams(f"{prefix}{path}")


class Front:
    """An ASGI application in front of another one.

    Environment:
        FRONT_APP: Name of the application behind; MLflow's own if empty.
        FRONT_HTTPS_HOSTS: Host names that clients reach by HTTPS, `*` for any characters.
        FRONT_PROXIES: Networks of proxies whose forwarded headers are believed.
        FRONT_SIDECAR: Scheme that a proxy in the same pod speaks with clients; empty if there is none.
        FRONT_TMP_BYTES: What `/tmp` may hold; empty if no upload is kept there.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.https_hosts = _listed("FRONT_HTTPS_HOSTS")
        self.proxies = [ipaddress.ip_network(network) for network in _listed("FRONT_PROXIES")]
        self.sidecar = os.environ.get("FRONT_SIDECAR", "")
        limit = os.environ.get("FRONT_TMP_BYTES", "")
        self.room = Room(Path(os.environ.get("TMPDIR", "/tmp")), int(limit)) if limit else None  # noqa: S108
        self.prefix = os.environ.get("_MLFLOW_STATIC_PREFIX", "").rstrip("/")
        self.streams_without_prefix = bool(self.prefix) and streams_without_prefix(self.prefix)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["headers"] = [(name, _plain_host(name, value)) for name, value in scope["headers"]]
        self.forwarded(scope)
        path = scope["path"].removeprefix(self.prefix)
        if path == "/health" and _probed(scope) and terminating.MARK.exists():
            await database_outage.refuse(send, 503, "TEMPORARILY_UNAVAILABLE", "This pod is about to end.")
            return
        if path.startswith(ARTIFACTS) and scope["method"] in ("GET", "PUT"):
            if self.streams_without_prefix:
                # A copy, since uvicorn logs the path that it knows.
                scope = {**scope, "path": path, "raw_path": scope["raw_path"].removeprefix(self.prefix.encode())}
            if scope["method"] == "PUT" and self.room is not None:
                await self.upload(self.room, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def forwarded(self, scope: Message) -> None:
        """Set client and scheme to those of the request that the outermost trusted proxy has seen."""
        peer, port = scope["client"] or ("", 0)
        hops = [hop for value in _values(scope, b"x-forwarded-for") for hop in value.split(",")]
        if self.sidecar:
            scope["scheme"] = self.sidecar
            peer = hops.pop() if hops else peer
        host = next(_values(scope, b"host"), "")
        if any(fnmatch.fnmatchcase(_without_port(host), pattern) for pattern in self.https_hosts):
            scope["scheme"] = "https"
        if self.trusts(peer):
            scheme = next(_values(scope, b"x-forwarded-proto"), "").rpartition(",")[2].strip().lower()
            if scheme in ("http", "https"):
                scope["scheme"] = scheme
            while hops and self.trusts(peer):
                peer = hops.pop()
        scope["client"] = (str(_address(peer) or peer), port)

    def trusts(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and any(address in network for network in self.proxies)

    async def upload(self, room: Room, scope: Message, receive: Receive, send: Send) -> None:
        """Pass an upload on once there is room for it."""
        size = int(next(_values(scope, b"content-length"), "0"))
        until = time.monotonic() + PATIENCE
        while not room.fits(size) and size <= room.limit and time.monotonic() < until:
            await asyncio.sleep(0.5)
        if not room.fits(size):
            await refuse(size, room.limit, receive, send)
            return
        announced = object()
        room.announced[announced] = size

        async def counted() -> Message:
            message = await receive()
            came = len(message.get("body", b""))
            left = room.announced[announced] - came
            room.announced[announced] = max(0, left)
            room.came += came
            # More than was said, or nothing was said.
            return {"type": "http.disconnect"} if left < 0 and not room.fits(0) else message

        try:
            await self.app(scope, counted, send)
        finally:
            del room.announced[announced]


class Room:
    """What is left of a folder with a limit.

    Attributes:
        limit: What the folder may hold, in bytes.
        announced: What is still to come of each upload, in bytes.
        came: What came of uploads since the folder was last walked, in bytes.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self.announced: dict[object, int] = {}
        self.came = 0
        self.held = 0
        self.walked = float("-inf")

    def fits(self, size: int) -> bool:
        """Whether so many bytes fit. The folder is walked only if it may have changed otherwise, or if they seem not to fit."""
        if time.monotonic() - self.walked >= FRESH or size > self.left():
            self.walked, self.came, self.held = time.monotonic(), 0, self.used()
        return size <= self.left()

    def left(self) -> int:
        """In bytes; the file system may have less than the limit allows."""
        disk = os.statvfs(self.folder)
        free = min(self.limit - self.held - self.came, disk.f_bavail * disk.f_frsize)
        return free - sum(self.announced.values())

    def used(self) -> int:
        sizes = []
        for folder, _, names in os.walk(self.folder):
            for name in names:
                try:
                    sizes.append(Path(folder, name).lstat().st_size)
                except OSError:  # it has just been removed
                    continue
        return sum(sizes)


async def refuse(size: int, limit: int, receive: Receive, send: Send) -> None:
    """Say why; MLflow's client shows the text, and repeats what was refused for the time being."""
    # It reads the answer only after it has sent everything.
    while (await receive()).get("more_body"):
        pass
    what = (
        f"This artifact has {size} bytes. The server keeps uploads in /tmp, which may hold {limit} bytes (pod.tmpSize)"
    )
    if size > limit:
        await database_outage.refuse(send, 413, "RESOURCE_LIMIT_EXCEEDED", f"{what}: it can never fit.")
    else:
        later = f"{what} and is full now: try again later."
        await database_outage.refuse(send, 503, "TEMPORARILY_UNAVAILABLE", later, 30)


def _listed(variable: str) -> list[str]:
    return [item for item in os.environ.get(variable, "").split(",") if item]


def _values(scope: Message, name: bytes) -> Iterator[str]:
    """Values of a header."""
    return (value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _probed(scope: Message) -> bool:
    return next(_values(scope, b"user-agent"), "").startswith(terminating.PROBE)


def _plain_host(name: bytes, value: bytes) -> bytes:
    """A header with its host name, if it has one, as MLflow compares it."""
    return re.sub(rb"\.(?=(:\d*)?$)", b"", value.lower()) if name in (b"host", b"origin") else value


def _without_port(host: str) -> str:
    return re.sub(r":\d*$", "", host)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in an entry of X-Forwarded-For, which may have a port, and in IPv6 brackets."""
    text = text.strip()
    bare = re.sub(r"^\[(.*)\](:\d+)?$", r"\1", text) if text.startswith("[") else text
    bare = _without_port(bare) if bare.count(":") == 1 else bare
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    # A socket for both versions shows the addresses of version 4 so.
    return getattr(address, "ipv4_mapped", None) or address
