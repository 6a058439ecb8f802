"""How a database server is reached: encryption, and credentials in existing Secrets."""

import enum
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic.alias_generators import to_camel

from ..base import Block, Input, Problem, block, plain
from ..checks import ExistingSecret, between, certificate, host_name, pattern

__all__ = ["DatabaseSecretArgs", "DatabaseTlsArgs", "TlsMode"]


class TlsMode(enum.Enum):
    """As libpq's sslmode (https://www.postgresql.org/docs/current/libpq-ssl.html), also for MySQL."""

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


def in_clear(mode: TlsMode | None) -> Iterator[Problem]:
    """A mode that undoes the encryption, in the field `mode`."""
    if mode is TlsMode.DISABLE:
        yield Problem(("mode",), "'disable' sends the password and all data in clear", "use 'require' or 'verify-full'")


@block
class DatabaseTlsArgs(Block):
    """How the connection to the database is encrypted and verified."""

    mode: TlsMode | None = None
    """Encryption and verification; if not given, `verify-full` with a CA certificate, otherwise `require` (encrypted,
    server not verified). `disable` sends the password and all data in clear text."""
    ca_certificate: Input[str] | None = None
    """Certificate authorities in PEM form to verify the server's certificate with."""

    @property
    def effective_mode(self) -> TlsMode:
        """The mode, with the default resolved."""
        return self.mode or (TlsMode.REQUIRE if self.ca_certificate is None else TlsMode.VERIFY_FULL)

    def problems(self) -> Iterable[Problem]:
        verifies = self.mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL)
        if verifies and self.ca_certificate is None and self.mode:
            yield Problem(
                ("ca_certificate",),
                f"is required with mode {self.mode.value!r}",
                "give the certificate authority in PEM form (clouds publish theirs as a bundle), or use mode 'require'",
            )
        yield from certificate(self.ca_certificate, "ca_certificate")

    def insecure(self) -> Iterable[Problem]:
        yield from in_clear(self.mode)


@block
class DatabaseSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the database password and, optionally, the user."""

    name: Input[str]
    """Name of the Secret."""
    password_key: str = "password"
    """Key of the password in the Secret."""
    username_key: str | None = None
    """Key of the user in the Secret; `username` applies if not given."""


def address(host: Input[str] | None, port: Input[int]) -> tuple[str, int] | None:
    """Host and port, where both are known."""
    known, number = plain(host), plain(port)
    return (known.lower(), number) if isinstance(known, str) and isinstance(number, int) else None


def in_one_way(block: Any, fix: str, *ways: str) -> Iterator[Problem]:
    """A value is given in exactly one way: itself, which is the first, or by where it is stored."""
    first, *others = ways
    given = [name for name in ways if getattr(block, name) is not None]
    if not given:
        spelled = " or ".join(map(to_camel, others))
        yield Problem((first,), f"is required, or {spelled}", fix, either=tuple((name,) for name in others))
    for extra in given[1:]:
        allowed = ", ".join(map(to_camel, ways))
        yield Problem((extra,), f"is given as well as {to_camel(given[0])}", f"keep exactly one of: {allowed}")


def server(block: Any, name: str) -> Iterator[Problem]:
    """What all database servers have in common."""
    yield from host_name(block.host, "host")
    yield from between(block.port, 1, 65535, "port")
    for field, what in (("database", "the name of a database"), ("username", "a user name")):
        yield from pattern(getattr(block, field), r"[^\x00-\x1f\x7f]+", field, what, "use no control characters")
    yield from between(block.connection_limit, 1, 100_000, "connection_limit", "connections")
    password = plain(block.password)
    if isinstance(password, str) and re.search(r"[\r\n]", password):
        message = "contains a line break, most often because it was read from a file"
        yield Problem(("password",), message, "remove it, or use another password")
    fix = f"pulumi config set --secret --path 'mlflow:database.{name}.password', or name an existing Secret"
    if getattr(block, "create", None) is None or block.password is not None:
        yield from in_one_way(block, fix, "password", "existing_secret")
