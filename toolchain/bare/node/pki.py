"""Keys, certificates and kubeconfigs of the built-in node, made with openssl and kept with its data.

The folder is readable by root only. Certificates are valid for ten years; deleting the folder while the node is stopped
makes new ones, except that pods then need new service account tokens, which they get when they are created again.
"""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from toolchain.bare.node import addresses
from toolchain.console import UserError

SERVER = f"https://{addresses.NODE}:{addresses.API_PORT}"


@dataclass(frozen=True)
class Certificate:
    """What one certificate says.

    Args:
        name: File name without extension.
        common_name: Kubernetes reads it as the user name.
        organization: Kubernetes reads it as the group.
        subject_alternative_names: In openssl's form; given for servers.
        authority: File name of the signing authority.
    """

    name: str
    common_name: str
    organization: str = ""
    subject_alternative_names: str = ""
    authority: str = "ca"


_API_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
CERTIFICATES = (
    Certificate(
        "apiserver",
        "kube-apiserver",
        subject_alternative_names=",".join(
            [
                *(f"DNS:{name}" for name in (*_API_NAMES, f"kubernetes.default.svc.{addresses.DOMAIN}")),
                *(f"IP:{address}" for address in ("127.0.0.1", addresses.NODE, addresses.API_SERVICE)),
            ]
        ),
    ),
    Certificate("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
    Certificate("front-proxy-client", "front-proxy-client", authority="front-proxy-ca"),
    Certificate(
        "kubelet",
        f"system:node:{addresses.NAME}",
        "system:nodes",
        f"DNS:{addresses.NAME},IP:{addresses.NODE}",
    ),
    Certificate("controller-manager", "system:kube-controller-manager"),
    Certificate("scheduler", "system:kube-scheduler"),
    Certificate("proxy", "system:kube-proxy"),
    Certificate("metrics-server", "metrics-server", subject_alternative_names="DNS:metrics-server.kube-system.svc"),
    Certificate("admin", "admin", "system:masters"),
)
KUBECONFIGS = ("kubelet", "controller-manager", "scheduler", "proxy", "admin")


def ensure(folder: Path, user_kubeconfig: Path) -> None:
    """Make what is missing of authorities, certificates, the service account key and kubeconfigs.

    Args:
        folder: Receives all files.
        user_kubeconfig: Receives the administrator's kubeconfig, mode 0600.

    Raises:
        UserError: openssl is missing, older than 3.0, or failed.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for authority in ("ca", "front-proxy-ca"):
        if not (folder / f"{authority}.crt").exists():
            for signed in CERTIFICATES:  # a new authority has signed none of the old ones
                if signed.authority == authority:
                    (folder / f"{signed.name}.crt").unlink(missing_ok=True)
            _certificate(folder, Certificate(authority, f"{addresses.NAME}-{authority}", authority=""))
    for certificate in CERTIFICATES:
        if not (folder / f"{certificate.name}.crt").exists():
            _certificate(folder, certificate)
    key = folder / "service-account.key"
    if not key.exists():
        _openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key)
    for name in KUBECONFIGS:
        _write(folder / f"{name}.kubeconfig", _kubeconfig(folder, name))
    _write(user_kubeconfig, _kubeconfig(folder, "admin"))


def _certificate(folder: Path, certificate: Certificate) -> None:
    names = certificate.subject_alternative_names
    subject = f"/CN={certificate.common_name}"
    if certificate.organization:
        subject = f"/O={certificate.organization}{subject}"
    if certificate.authority:
        signing = ["-CA", folder / f"{certificate.authority}.crt", "-CAkey", folder / f"{certificate.authority}.key"]
        extensions = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        extensions += f"extendedKeyUsage=clientAuth{',serverAuth' if names else ''}\n"
        extensions += f"subjectAltName={names}\n" if names else ""
    else:
        signing = []
        extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        extensions += "subjectKeyIdentifier=hash\n"
    # Only our own extensions: the system's openssl.cnf would make every certificate an authority.
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as config:
        config.write(
            f"[req]\ndistinguished_name=subject\nx509_extensions=extensions\n[subject]\n[extensions]\n{extensions}"
        )
        config.flush()
        made = folder / f".{certificate.name}.crt"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"),
            *("-config", config.name, "-subj", subject, *signing),
            *("-keyout", folder / f"{certificate.name}.key", "-out", made),
        )
    made.replace(folder / f"{certificate.name}.crt")


def _openssl(*arguments: str | Path) -> None:
    answer = subprocess.run(
        ["openssl", *(str(part) for part in arguments)], capture_output=True, text=True, umask=0o077, check=False
    )
    if answer.returncode != 0:
        raise UserError(f"openssl {arguments[0]} failed: {answer.stderr.strip()}", "openssl 3.0 or later is needed.")


def _kubeconfig(folder: Path, user: str) -> str:
    """A kubeconfig with everything embedded. It is JSON, which every reader of YAML reads too."""

    def embedded(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    name = addresses.NAME
    cluster = {"server": SERVER, "certificate-authority-data": embedded("ca.crt")}
    credentials = {
        "client-certificate-data": embedded(f"{user}.crt"),
        "client-key-data": embedded(f"{user}.key"),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": f"{name}-{user}", "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": f"{name}-{user}"}}],
        "current-context": name,
    }
    return json.dumps(document, indent=2) + "\n"


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    temporary = path.with_name(f".{path.name}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)
