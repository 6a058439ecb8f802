"""A bucket on a stand-in for Google Cloud Storage: fake-gcs-server, over HTTP."""

import contextlib
import json
import secrets
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import processes


@dataclass(frozen=True)
class Bucket:
    """An empty bucket; nobody asks for credentials."""

    url: str
    name: str

    def objects(self) -> list[str]:
        """Names of all objects."""
        with urllib.request.urlopen(f"{self.url}/storage/v1/b/{self.name}/o") as answer:
            return [item["name"] for item in json.load(answer).get("items", [])]

    def read(self, name: str) -> bytes:
        """Content of an object."""
        path = urllib.parse.quote(name, safe="")
        with urllib.request.urlopen(f"{self.url}/storage/v1/b/{self.name}/o/{path}?alt=media") as answer:
            return answer.read()


@contextlib.contextmanager
def serve(program: str, host: str, log: Path, name: str | None = None) -> Iterator[str]:
    """Run the stand-in on all addresses of this machine, with everything in memory.

    Args:
        program: The program.
        host: Address of this machine at which pods reach it.
        log: Receives its output.
        name: Host name by which programs know it, over TLS that somebody else ends; its address if not given.

    Yields:
        Its URL.
    """
    port = processes.free_port()
    url = f"http://{host}:{port}"

    def answers() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_internal/healthcheck", timeout=2) as answer:
            return answer.status == 200

    options = {"scheme": "http", "host": "0.0.0.0", "port": port, "backend": "memory"}
    known = {"public-host": f"{host}:{port}", "external-url": url}
    options |= known if name is None else {"public-host": name, "external-url": f"https://{name}"}
    command = [program, *(f"-{name}={value}" for name, value in options.items())]
    with processes.running(command, log, ready=answers):
        yield url


def bucket(url: str) -> Bucket:
    """Make a bucket."""
    made = Bucket(url, f"t-{secrets.token_hex(6)}")
    body = json.dumps({"name": made.name}).encode()
    request = urllib.request.Request(f"{url}/storage/v1/b", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()
    return made
