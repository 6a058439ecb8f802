"""A real TLS reverse proxy on this machine that does what an Ingress says: nginx, configured from the cluster's object."""

import base64
import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import processes
from tests.support.kubernetes import Kubectl
from toolchain.bare import debian

_ANNOTATION = "nginx.ingress.kubernetes.io/"


@dataclass(frozen=True)
class Proxy:
    """A running proxy.

    Attributes:
        address: Its own loopback address; it listens on port 443 there.
    """

    address: str


@contextlib.contextmanager
def serve(kubectl: Kubectl, ingress: dict[str, Any], folder: Path) -> Iterator[Proxy]:
    """Follow an Ingress as the NGINX controller does: its hosts, paths, backends, certificates and annotations.

    Args:
        kubectl: The cluster.
        ingress: The Ingress as the cluster has it.
        folder: An empty folder.
    """
    root = debian.unpack(["nginx"])
    # An address of its own, so that the usual port is free: browsers leave that out of the Host header.
    address = f"127.77.{secrets.randbelow(250)}.{secrets.randbelow(250) + 1}"
    namespace = ingress["metadata"]["namespace"]
    certificates = [_certificate(kubectl, namespace, each, folder) for each in ingress["spec"].get("tls", [])]
    servers = [
        _server(kubectl, ingress, rule, address, cert)
        for rule in ingress["spec"]["rules"]
        for hosts, cert in certificates
        if rule["host"] in hosts
    ]
    assert servers, "no host of the Ingress has a certificate"
    config = folder / "nginx.conf"
    config.write_text(
        # Its workers would otherwise be somebody who cannot enter the folder.
        f"daemon off; {'user root; ' if os.geteuid() == 0 else ''}pid {folder}/pid; error_log {folder}/error.log info;\n"
        "events {}\n"
        f"http {{ access_log {folder}/access.log; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        + "".join(servers)
        + "}\n"
    )
    command = [str(root / "usr/sbin/nginx"), "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False, env=debian.environment(root))
    assert tested.returncode == 0, tested.stderr

    def listens() -> bool:
        return processes.listens(address, 443)

    with processes.running(command, folder / "log", env=debian.environment(root), ready=listens):
        yield Proxy(address)


def _certificate(kubectl: Kubectl, namespace: str, tls: dict[str, Any], folder: Path) -> tuple[list[str], Path]:
    data = kubectl.json("get", "secret", tls["secretName"], "--namespace", namespace)["data"]
    for name in ("tls.crt", "tls.key"):
        (folder / f"{tls['secretName']}.{name}").write_bytes(base64.b64decode(data[name]))
    return tls["hosts"], folder / tls["secretName"]


def _server(kubectl: Kubectl, ingress: dict[str, Any], rule: dict[str, Any], address: str, certificate: Path) -> str:
    notes = {
        key.removeprefix(_ANNOTATION): value
        for key, value in ingress["metadata"]["annotations"].items()
        if key.startswith(_ANNOTATION)
    }
    scheme = notes.get("backend-protocol", "HTTP").lower()
    locations = []
    for path in rule["http"]["paths"]:
        backend = path["backend"]["service"]
        service = kubectl.json("get", "service", backend["name"], "--namespace", ingress["metadata"]["namespace"])[
            "spec"
        ]
        wanted = backend["port"]
        (port,) = [p["port"] for p in service["ports"] if wanted in ({"name": p.get("name")}, {"number": p["port"]})]
        prefix = path["path"].rstrip("/")
        match = f"= {path['path']}" if path["pathType"] == "Exact" else f"~ ^{prefix}(/|$)"
        locations.append(
            f"location {match} {{ proxy_pass {scheme}://{service['clusterIP']}:{port}; proxy_http_version 1.1;\n"
            "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;\n"
            "proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;\n"
            f"client_max_body_size {notes.get('proxy-body-size', '1m')};\n"
            f"proxy_request_buffering {notes.get('proxy-request-buffering', 'on')};\n"
            f"proxy_buffering {notes.get('proxy-buffering', 'off')};\n"
            f"proxy_read_timeout {notes.get('proxy-read-timeout', '60')}s;\n"
            f"proxy_send_timeout {notes.get('proxy-send-timeout', '60')}s; }}\n"
        )
    return (
        f"server {{ listen {address}:443 ssl; server_name {rule['host']};\n"
        f"ssl_certificate {certificate}.tls.crt; ssl_certificate_key {certificate}.tls.key;\n"
        + "".join(locations)
        + "}\n"
    )
