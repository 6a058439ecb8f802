"""A real directory server (OpenLDAP) on this machine, reachable from pods, with users, groups and TLS."""

import contextlib
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import certificates, processes
from toolchain.bare import debian

BASE = "dc=example,dc=com"
PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"


@dataclass(frozen=True)
class Directory:
    """A running server.

    Attributes:
        host: Address for pods.
        port, tls_port: TCP ports for StartTLS and for TLS from the start.
        ca_certificate: Authority of the server's certificate.
        reader, reader_password: Account that may search; nobody may without an account.
        passwords: Passwords of the users `ada` (of the group of users), `grace` (of the group of administrators) and
            `mallory` (of neither).
        folder: Its files.
    """

    host: str
    port: int
    tls_port: int
    ca_certificate: str
    reader: str
    reader_password: str = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)
    folder: Path

    def modify(self, name: str, changes: str) -> None:
        """Change an entry.

        Args:
            name: Its distinguished name.
            changes: As in LDIF: https://www.rfc-editor.org/rfc/rfc2849.
        """
        command = ["ldapmodify", "-x", "-H", self.tls_uri, "-D", _ROOT, "-y", str(self.folder / "root")]
        environment = debian.environment(debian.unpack(_PACKAGES))
        environment["LDAPTLS_CACERT"] = str(self.folder / "ca.pem")
        text = f"dn: {name}\nchangetype: modify\n{changes}\n"
        subprocess.run(command, env=environment, input=text, text=True, check=True, capture_output=True)

    @property
    def plain_uri(self) -> str:
        """Address at which TLS must be asked for; without it, no password is accepted."""
        return f"ldap://{self.host}:{self.port}"

    @property
    def tls_uri(self) -> str:
        """Address at which everything is encrypted."""
        return f"ldaps://{self.host}:{self.tls_port}"


_PACKAGES = ["slapd", "ldap-utils"]
_ROOT = f"cn=root,{BASE}"
USERS_GROUP, ADMINS_GROUP = f"cn=mlflow users,{GROUPS}", f"cn=mlflow-admins,{GROUPS}"
SPECIAL_GROUP = rf"cn=r&d (all)\, *,{GROUPS}"
POSIX_USERS, POSIX_ADMINS = f"cn=posix-users,{GROUPS}", f"cn=posix-admins,{GROUPS}"


@contextlib.contextmanager
def serve(host: str) -> Iterator[Directory]:
    """Run a server with an empty database and the users.

    Args:
        host: Address of this machine at which pods reach it; also the name in the server's certificate.
    """
    root = debian.unpack(_PACKAGES)
    environment = debian.environment(root)
    folder = Path(tempfile.mkdtemp(prefix="mlflow-test-slapd-"))
    try:
        made = certificates.make(host)
        for name, content in {"ca.pem": made.authority, "server.pem": made.certificate, "key.pem": made.key}.items():
            (folder / name).write_text(content)
        (folder / "data").mkdir()
        passwords = {name: secrets.token_hex(8) + "!ü%" for name in ("ada", "grace", "mallory")}
        reader, reader_password = f"cn=reader,{BASE}", secrets.token_hex(8) + ' "$&\\'
        (folder / "root").write_text(secrets.token_hex(16))
        (folder / "slapd.conf").write_text(_configuration(root, folder))
        (folder / "users.ldif").write_text(_entries(passwords, reader, reader_password))
        slapd = root / "usr/sbin/slapd"
        subprocess.run(
            ["slapadd", "-f", folder / "slapd.conf", "-l", folder / "users.ldif"],
            executable=slapd,
            env=environment,
            check=True,
            capture_output=True,
        )
        port, tls_port = processes.free_port(), processes.free_port()
        urls = f"ldap://0.0.0.0:{port}/ ldaps://0.0.0.0:{tls_port}/"
        search = ["ldapsearch", "-x", "-H", f"ldap://127.0.0.1:{port}", "-b", "", "-s", "base"]

        def answers() -> bool:
            return subprocess.run(search, env=environment, capture_output=True, check=False).returncode == 0

        command = [slapd, "-f", folder / "slapd.conf", "-h", urls, "-d", "0"]
        with processes.running(command, folder / "log", env=environment, ready=answers):
            yield Directory(host, port, tls_port, made.authority, reader, reader_password, passwords, folder)
    finally:
        shutil.rmtree(folder)


def _configuration(root: Path, folder: Path) -> str:
    schemas = "\n".join(
        f"include {root}/etc/ldap/schema/{name}.schema" for name in ("core", "cosine", "nis", "inetorgperson")
    )
    return f"""{schemas}
modulepath {root}/usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/key.pem
# A password in clear is refused.
security simple_bind=1
localSSF 0
database mdb
suffix {BASE}
rootdn {_ROOT}
rootpw {(folder / "root").read_text()}
directory {folder}/data
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""


def _entries(passwords: Mapping[str, str], reader: str, reader_password: str) -> str:
    entries = [
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: example",
        *(f"dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}" for unit in ("people", "groups")),
        f"dn: {reader}\nobjectClass: person\ncn: reader\nsn: reader\nuserPassword: {reader_password}",
    ]
    for name, password in passwords.items():
        entries.append(
            f"dn: uid={name},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\nuserPassword: {password}"
        )
    for group, member in ((USERS_GROUP, "ada"), (ADMINS_GROUP, "grace"), (SPECIAL_GROUP, "ada")):
        name = group.removesuffix(f",{GROUPS}").removeprefix("cn=").replace("\\", "")
        entries.append(f"dn: {group}\nobjectClass: groupOfNames\ncn: {name}\nmember: uid={member},{PEOPLE}")
    for number, (group, member) in enumerate(((POSIX_USERS, "ada"), (POSIX_ADMINS, "grace"))):
        name = group.split(",")[0].removeprefix("cn=")
        entries.append(f"dn: {group}\nobjectClass: posixGroup\ncn: {name}\ngidNumber: {number}\nmemberUid: {member}")
    return "\n\n".join(entries) + "\n"
