"""Authentication against an LDAP directory, by an authenticating proxy in front of the server."""

import enum
import re
from collections.abc import Iterable

from ... import versions
from ..base import Block, Input, Problem, block, plain, secret
from ..checks import ExistingSecret, authorities, between, image_name, pattern
from ..kinds import LoginBlock
from ..server.resources import ResourcesArgs

__all__ = [
    "BindSecretArgs",
    "CertificateSecretArgs",
    "LdapAuthArgs",
    "LdapMember",
    "LdapScope",
    "LdapSearchArgs",
    "LdapTlsArgs",
    "LdapTlsMode",
]

_LITERAL = r"(?!.*[$%]\{)"
"""Nothing that httpd would expand in its configuration."""
_DN = rf"{_LITERAL}[A-Za-z][\w.-]*\s*=(\\.|[^,\\\n])+(,\s*[A-Za-z][\w.-]*\s*=(\\.|[^,\\\n])+)*"
_ATTRIBUTE = r"[A-Za-z][A-Za-z0-9-]*"


def _dn(value: object, path: str) -> Iterable[Problem]:
    yield from pattern(
        value, _DN, path, "a distinguished name", "write for example 'cn=mlflow-users,ou=groups,dc=example,dc=com'"
    )


class LdapTlsMode(enum.Enum):
    """How the connection to the directory is protected."""

    VERIFY = "verify"
    REQUIRE = "require"
    DISABLE = "disable"


@block
class CertificateSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds certificate authorities."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "ca.crt"
    """Key of the certificates, in PEM form, in the Secret."""


@block
class LdapTlsArgs(Block):
    """How the connection to the directory is encrypted and verified."""

    mode: LdapTlsMode = LdapTlsMode.VERIFY
    """`verify`: encrypted, and the server's certificate and name are verified. `require`: encrypted, server not verified.
    `disable` sends every user's password in clear text. `ldap://` URIs use StartTLS, `ldaps://` URIs TLS from the start."""
    ca_certificate: Input[str] | None = None
    """Certificate authorities in PEM form to verify the server's certificate with; those in the proxy's image if not
    given."""
    existing_secret: CertificateSecretArgs | None = None
    """Secret that holds the certificate authorities, instead of `caCertificate`."""

    def problems(self) -> Iterable[Problem]:
        yield from authorities(self)
        if self.mode is not LdapTlsMode.VERIFY:
            for field in ("ca_certificate", "existing_secret"):
                if getattr(self, field) is not None:
                    message = f"is given, but mode {self.mode.value!r} verifies nothing"
                    yield Problem((field,), message, "use mode 'verify', or leave it out")

    def insecure(self) -> Iterable[Problem]:
        if self.mode is LdapTlsMode.REQUIRE:
            message = "'require' gives the passwords of users to whoever poses as the directory"
            yield Problem(("mode",), message, "use 'verify', with caCertificate for an authority of your own")
        elif self.mode is LdapTlsMode.DISABLE:
            yield Problem(("mode",), "'disable' sends the passwords of users in clear", "use 'verify'")


@block
class BindSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the password of the search account."""

    name: Input[str]
    """Name of the Secret."""
    password_key: str = "password"
    """Key of the password in the Secret."""


class LdapScope(enum.Enum):
    """How deep a search goes below its base."""

    SUBTREE = "sub"
    ONE_LEVEL = "one"


@block
class LdapSearchArgs(Block):
    """How a user's entry is found by the name that they log in with."""

    base: Input[str]
    """Distinguished name below which to search for users."""
    attribute: str = "uid"
    """Attribute that holds the name that users log in with; `sAMAccountName` in Active Directory."""
    filter: Input[str] = "(objectClass=*)"
    """Filter that a user's entry must also match, in parentheses."""
    scope: LdapScope = LdapScope.SUBTREE
    """How deep below the base to search."""
    bind_dn: Input[str] | None = None
    """Distinguished name of the search account; without it the search is anonymous, or made as the user (see `userDn`)."""
    bind_password: Input[str] | None = secret()
    """Password of that account. Either this or `existingSecret`."""
    existing_secret: BindSecretArgs | None = None
    """Secret that holds the password, instead of `bindPassword`."""

    def problems(self) -> Iterable[Problem]:
        yield from _dn(self.base, "base")
        yield from pattern(
            self.attribute, _ATTRIBUTE, "attribute", "the name of an attribute", "write for example 'uid'"
        )
        yield from pattern(
            self.filter,
            rf"{_LITERAL}\([^\n]+\)",
            "filter",
            "a filter",
            "write for example '(objectClass=inetOrgPerson)', without '${' and '%{'",
        )
        passwords = [name for name in ("bind_password", "existing_secret") if getattr(self, name) is not None]
        if self.bind_dn is not None and not passwords:
            yield Problem(
                ("bind_password",),
                "is required with bindDn, or existingSecret",
                "give both halves, or neither for an anonymous search",
                either=(("existing_secret",),),
            )
        # Active Directory also takes user@domain and DOMAIN\\user.
        what, fix = "the name of an account", "write for example 'cn=mlflow,ou=services,dc=example,dc=com'"
        yield from pattern(self.bind_dn, rf"{_LITERAL}[^\x00-\x1f\x7f]+", "bind_dn", what, fix)
        if self.bind_dn is None and passwords:
            yield Problem(("bind_dn",), "is required with a password", "give both halves, or neither")
        if len(passwords) > 1:
            yield Problem(
                ("existing_secret",), "is given as well as bindPassword", "keep one of: bindPassword, existingSecret"
            )


class LdapMember(enum.Enum):
    """What the member attribute of a group contains."""

    DN = "dn"
    USERNAME = "username"


@block
class LdapAuthArgs(LoginBlock):
    """Users log in with their name and password in a directory. Apache httpd runs as a sidecar and checks them there;
    MLflow stores their permissions and creates its own entry for each user at the first login."""

    proxied = True

    uri: Input[str]
    """Address of the directory: `ldaps://host` or `ldap://host`, with a port if it is not the default one."""
    tls: LdapTlsArgs = LdapTlsArgs()
    """Encryption of the connection."""
    user_dn: str | None = None
    """Pattern of a user's distinguished name with `%s` for the name that they log in with, for example
    `uid=%s,ou=people,dc=example,dc=com`; the proxy then binds as that user. With `search` it may also be another form that
    the directory accepts for a bind, for example `%s@example.com`."""
    search: LdapSearchArgs | None = None
    """How a user's entry is found; with `userDn` alone, it is the entry of that name."""
    user_group: Input[str] | None = None
    """Distinguished name of the group whose members may log in. Required, or `anyUser`."""
    any_user: bool = False
    """Let every user of the directory log in, regardless of groups."""
    admin_group: Input[str] | None = None
    """Distinguished name of the group whose members are administrators of MLflow. They may also log in. If not given, the
    only administrator is the one outside the directory."""
    group_attribute: str | None = None
    """Attribute of a user's entry that holds the distinguished names of their groups, such as `memberOf`; the groups' own
    attribute is not looked at then. `memberOf:1.2.840.113556.1.4.1941:` is for nested groups in Active Directory."""
    member_attribute: str = "member"
    """Attribute of a group that holds its members: `member`, `uniqueMember`, `memberUid`."""
    member_is: LdapMember = LdapMember.DN
    """What that attribute contains: the `dn` of users, or the `username` that they log in with (as in a posixGroup)."""
    cache_seconds: int = 60
    """How long the proxy caches password checks and group memberships, in seconds."""
    admin_username: str = "mlflow-admin"
    """Name of an administrator outside the directory, with a generated password: for jobs in the cluster, and for when
    the directory is down."""
    image: Input[str] = versions.HTTPD_IMAGE
    """Container image of Apache httpd, with the layout of the official one."""
    resources: ResourcesArgs = ResourcesArgs(cpu_request="50m", memory_request="32Mi", memory_limit="256Mi")
    """Requests and limits of the proxy."""

    def problems(self) -> Iterable[Problem]:
        yield from self._uri()
        yield from self._users()
        yield from _dn(self.user_group, "user_group")
        yield from _dn(self.admin_group, "admin_group")
        yield from pattern(
            self.member_attribute,
            _ATTRIBUTE,
            "member_attribute",
            "the name of an attribute",
            "write for example 'member'",
        )
        yield from pattern(
            self.group_attribute,
            rf"{_ATTRIBUTE}(:[\d.]+:)?",
            "group_attribute",
            "the name of an attribute, with or without a matching rule",
            "write for example 'memberOf'",
        )
        for field, default in (("member_attribute", "member"), ("member_is", LdapMember.DN)):
            if self.group_attribute is not None and getattr(self, field) != default:
                message = "is given as well as groupAttribute, which looks at users instead of groups"
                yield Problem((field,), message, "keep one of them")
        if self.user_group is None and not self.any_user:
            yield Problem(
                ("user_group",),
                "is required, or anyUser",
                "name the group whose members may log in, or let everyone of the directory in with anyUser: true",
                either=(("any_user",),),
            )
        if self.user_group is not None and self.any_user:
            yield Problem(("any_user",), "is given as well as userGroup", "keep one of them")
        yield from between(self.cache_seconds, 0, 86_400, "cache_seconds", "seconds")
        yield from pattern(
            self.admin_username,
            r"[A-Za-z0-9._-]{1,64}",
            "admin_username",
            "a user name",
            "use letters, digits, '.', '_', '-'",
        )
        yield from image_name(self.image, "image")

    def _uri(self) -> Iterable[Problem]:
        uri = plain(self.uri)
        if not isinstance(uri, str):
            return
        match = re.fullmatch(r"(ldaps?)://(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d{1,5})?(/.*)?", uri)
        if match is None:
            yield Problem(
                ("uri",), f"{uri!r} is not the address of a directory", "write ldaps://host, or ldap://host:port"
            )
        elif (match[4] or "/") != "/":
            yield Problem(
                ("uri",), f"{uri!r} has a path", "write scheme, host and port; the rest belongs to userDn or search"
            )
        elif match[1] == "ldaps" and self.tls.mode is LdapTlsMode.DISABLE:
            yield Problem(("tls", "mode"), "'disable' contradicts ldaps://", "use 'verify', or an ldap:// URI")

    def _users(self) -> Iterable[Problem]:
        if self.user_dn is None:
            if self.search is None:
                message = "is required, or search"
                fix = "write the pattern of a user's name, for example 'uid=%s,ou=people,dc=example,dc=com'"
                yield Problem(("user_dn",), message, fix, either=(("search",),))
            return
        if self.user_dn.count("%s") != 1 or "\n" in self.user_dn:
            yield Problem(
                ("user_dn",), f"{self.user_dn!r} needs '%s' exactly once", "put it where the user's name belongs"
            )
        elif self.search is None and not re.fullmatch(rf"{_ATTRIBUTE}=%s,{_DN}", self.user_dn):
            yield Problem(
                ("user_dn",),
                f"{self.user_dn!r} is not of the form attribute=%s,base",
                "write for example 'uid=%s,ou=people,dc=example,dc=com', or describe in search how a user's entry is found",
            )
        if self.search is not None and self.search.bind_dn is not None:
            yield Problem(
                ("search", "bind_dn"), "is given as well as userDn", "search as an account, or as the user: keep one"
            )
