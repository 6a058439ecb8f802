"""Apache httpd as a sidecar of the server: it authenticates users and their groups in an LDAP directory.

Only modules of the official image are used (https://httpd.apache.org/docs/2.4/mod/mod_authnz_ldap.html), which verify TLS,
reuse connections and cache results. The server never sees a user's password.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import LdapAuthArgs, LdapMember, LdapSearchArgs, LdapTlsMode
from ..contracts import SecretValue
from . import proxy, tls
from .environment import secret_environment
from .part import PodPart
from .scope import Scope
from .volumes import TMP, config_map, config_volume, secret, secret_volume

_DIRECTORY = "/etc/mlflow/proxy"
_CA_DIRECTORY = "/etc/mlflow/directory"
_SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
_LOGIN_DIRECTORY = "/etc/mlflow/directory-login"
_ACCOUNTS = "/etc/mlflow/proxy-accounts"
_ADMIN_PROBE = "/.mlflow-admin"

_MODULES = (
    *("mpm_event", "unixd", "log_config", "env", "setenvif", "headers", "authn_core", "authn_file", "authz_core"),
    *("authz_user", "auth_basic", "ldap", "authnz_ldap", "proxy", "proxy_http", "reqtimeout"),
)


_ENCRYPTION = f"""
SSLEngine On
SSLCertificateFile {tls.DIRECTORY}/tls.crt
SSLCertificateKeyFile {tls.DIRECTORY}/tls.key
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLSessionCache none
"""


def part(
    scope: Scope, args: LdapAuthArgs, administrator: pulumi.Output[str], first: Sequence[pulumi.Resource]
) -> PodPart:
    """The proxy, and what the server needs to know about it.

    Args:
        scope: The deployment.
        args: Settings of the directory.
        administrator: Password of the administrator outside the directory.
        first: First objects in the cluster, which generated secrets wait for.
    """
    configuration = config_map(scope, "proxy", "server", {"httpd.conf": _configuration(scope, args)})
    volumes = [
        config_volume("proxy", configuration),
        secret_volume("proxy-accounts", proxy.accounts(scope, args.admin_username, administrator)),
    ]
    mounts = {"proxy": _DIRECTORY, "proxy-accounts": _ACCOUNTS}
    if (authority := proxy.authority(scope, "directory-ca", args.tls)) is not None:
        volumes.append(authority)
        mounts["directory-ca"] = _CA_DIRECTORY
    shared: dict[str, SecretValue] = {
        "PROXIED_USER_SECRET": proxy.password(scope, "proxied-user", first),
        "PROXIED_ADMIN_SECRET": proxy.password(scope, "proxied-admin", first),
    }
    trusted = secret_environment(scope, "proxy-trust", "server", shared)
    login = _login(scope, args)
    if login is not None:
        volumes.append(login)
        mounts["directory-login"] = _LOGIN_DIRECTORY
    container = proxy.container(
        scope,
        args.image,
        # Not `httpd-foreground`, which only deletes a PID file that does not exist here.
        ["httpd", "-DFOREGROUND", "-f", f"{_DIRECTORY}/httpd.conf"],
        [],
        trusted,
        mounts,
        args.resources,
        _graceful_stop(scope),
    )
    return proxy.behind(scope, container, trusted, volumes, [proxy.destination(args.uri, "auth.ldap.uri")])


def _login(scope: Scope, args: LdapAuthArgs) -> k8s.core.v1.VolumeArgs | None:
    """The password of the search account, as a file."""
    search = args.search
    if search is None or search.bind_dn is None:
        return None
    if search.existing_secret is not None:
        existing = search.existing_secret
        return secret_volume("directory-login", existing.name, {existing.password_key: "password"})
    assert search.bind_password is not None
    made = secret(scope, "directory-login", "server", {"password": search.bind_password})
    return secret_volume("directory-login", made)


def _graceful_stop(scope: Scope) -> k8s.core.v1.LifecycleArgs:
    """Keep serving while endpoints are withdrawn, then finish open requests, whichever stop signal the image declares."""
    wait = 'pid=$(cat /tmp/httpd.pid); kill -WINCH "$pid"; while kill -0 "$pid"; do sleep 0.2; done'
    command = ["/bin/sh", "-c", f"sleep {scope.args.server.drain_seconds}; {wait}"]
    return k8s.core.v1.LifecycleArgs(
        pre_stop=k8s.core.v1.LifecycleHandlerArgs(exec_=k8s.core.v1.ExecActionArgs(command=command))
    )


@dataclass(frozen=True)
class _Known:
    """The values that may be outputs, once they are known."""

    uri: str
    base: str | None
    filter: str
    bind_dn: str | None
    user_group: str | None
    admin_group: str | None


def _configuration(scope: Scope, args: LdapAuthArgs) -> pulumi.Output[str]:
    search = args.search or LdapSearchArgs(base="")
    values = (args.uri, search.base or None, search.filter, search.bind_dn, args.user_group, args.admin_group)
    return pulumi.Output.all(*values).apply(lambda known: _render(scope, args, _Known(*known)))


def _render(scope: Scope, args: LdapAuthArgs, known: _Known) -> str:
    """The configuration. One long function, so that the file can be read as httpd reads it."""
    server, port = scope.args.server, proxy.port(scope)
    own_authority = args.tls.existing_secret is not None or args.tls.ca_certificate is not None
    authority = f"{_CA_DIRECTORY}/ca.crt" if own_authority else _SYSTEM_CA
    verify = args.tls.mode is LdapTlsMode.VERIFY
    entries = 1024 if args.cache_seconds else 0
    modules, encryption = _MODULES, ""
    if server.tls is not None:
        modules, encryption = (*_MODULES, "socache_shmcb", "ssl"), _ENCRYPTION
    loads = "\n".join(
        f"<IfModule !{name}_module>\n  LoadModule {name}_module modules/mod_{name}.so\n</IfModule>" for name in modules
    )
    admins = [*_member(args, known.admin_group), f"Require user {args.admin_username}"]
    everyone = ["Require valid-user"] if args.any_user else [*_member(args, known.user_group), *admins]
    trust = f"""
  # What the client sent about itself is replaced: the server believes nothing but these two passwords.
  RequestHeader unset Mlflowadmin
  RequestHeader set Mlflowadmin yes "expr=-A '{_ADMIN_PROBE}'"
  RequestHeader set Authorization "expr=Basic %{{base64:%{{REMOTE_USER}}:${{PROXIED_USER_SECRET}}}}"
  RequestHeader set Authorization "expr=Basic %{{base64:%{{REMOTE_USER}}:${{PROXIED_ADMIN_SECRET}}}}" "expr=%{{req:Mlflowadmin}} == 'yes'"
  RequestHeader unset Mlflowadmin"""
    return f"""ServerRoot /usr/local/apache2
ServerName localhost
Listen {port}
PidFile {TMP}/httpd.pid
DefaultRuntimeDir {TMP}
ErrorLog /proc/self/fd/2
LogLevel warn
ServerTokens Prod
TraceEnable Off
{loads}
LogFormat "%h %u %t \\"%m %U\\" %>s %B %D" access
SetEnvIf Request_URI "^{re.escape(server.static_prefix)}/health$" healthy
CustomLog /proc/self/fd/1 access env=!healthy

StartServers 1
ServerLimit 4
ThreadsPerChild 64
MaxRequestWorkers 256
MinSpareThreads 16
MaxSpareThreads 256
# Uploads may be of any size and take any time, as long as they move on.
LimitRequestBody 0
RequestReadTimeout header=20-60,MinRate=500 body=0
Timeout 600
KeepAliveTimeout {scope.args.keep_alive_seconds}
MaxKeepAliveRequests 0
GracefulShutdownTimeout {server.shutdown_grace_seconds}
{encryption}
<IfFile "{authority}">
  LDAPTrustedGlobalCert CA_BASE64 {authority}
</IfFile>
LDAPVerifyServerCert {"On" if verify else "Off"}
LDAPConnectionTimeout 5
LDAPTimeout 15
LDAPCacheEntries {entries}
LDAPCacheTTL {args.cache_seconds}
LDAPOpCacheEntries {entries}
LDAPOpCacheTTL {args.cache_seconds}

<Directory />
  AllowOverride None
  Require all denied
</Directory>
<Location "/">
  AuthType Basic
  AuthName MLflow
  AuthBasicProvider file ldap
  AuthUserFile {_ACCOUNTS}/accounts
{_indented(_directory(args, known))}
{_any(everyone)}
</Location>
# Never served: only asked whether this user may see it, which is whether they are an administrator.
<Location "{_ADMIN_PROBE}">
  LogLevel crit
{_any(admins)}
</Location>
<LocationMatch "^/(?!{re.escape(_ADMIN_PROBE[1:])})">{trust}
</LocationMatch>
<LocationMatch "^{re.escape(server.static_prefix)}/health$">
  AuthMerging Off
  Require all granted
  RequestHeader unset Authorization
</LocationMatch>

AllowEncodedSlashes NoDecode
ProxyRequests Off
ProxyPreserveHost On
ProxyPass "{_ADMIN_PROBE}" "!"
# A connection that the server is just closing must not be used again, and a server that starts must be asked again.
ProxyPass "/" "http://127.0.0.1:{server.port}/" nocanon disablereuse=On flushpackets=On retry=0 connectiontimeout=5 timeout=3600
"""


def _directory(args: LdapAuthArgs, known: _Known) -> list[str]:
    """How users are found and group members compared."""
    search = args.search
    secure = known.uri.startswith("ldaps:")
    encryption = "NONE" if args.tls.mode is LdapTlsMode.DISABLE else "SSL" if secure else "STARTTLS"
    if search is not None:
        attribute, base, scope, filter_ = search.attribute, known.base or "", search.scope.value, known.filter
    else:
        attribute, _, base = (args.user_dn or "").partition("=%s,")
        scope, filter_ = "one", "(objectClass=*)"
    url = f"{known.uri.rstrip('/')}/{_in_url(base)}?{attribute}?{scope}?{_in_url(filter_)}"
    lines = [
        f"AuthLDAPURL {_quoted(url)} {encryption}",
        # Directories ignore the case of names and MLflow does not, so the directory's spelling is passed on.
        f"AuthLDAPRemoteUserAttribute {attribute}",
        f"AuthLDAPGroupAttribute {args.member_attribute}",
        f"AuthLDAPGroupAttributeIsDN {'On' if args.member_is is LdapMember.DN else 'Off'}",
        "LDAPReferrals Off",
    ]
    if args.user_dn is not None:
        lines.append(f"AuthLDAPInitialBindPattern (.+) {_quoted(args.user_dn.replace('$', '').replace('%s', '$1'))}")
        lines += [f"AuthLDAP{what} On" for what in ("InitialBindAsUser", "SearchAsUser", "CompareAsUser")]
    elif known.bind_dn is not None:
        lines.append(f"AuthLDAPBindDN {_quoted(known.bind_dn)}")
        # The first line of the program's output; the program gets no environment.
        lines.append(f'AuthLDAPBindPassword "exec:/bin/cat {_LOGIN_DIRECTORY}/password"')
    return lines


def _member(args: LdapAuthArgs, group: str | None) -> list[str]:
    """The rule that lets in the members of a group: asked of the group, or of the user's entry."""
    if group is None:
        return []
    rule = f"ldap-group {_text(group)}"
    if args.group_attribute is not None:
        # https://www.rfc-editor.org/rfc/rfc4515#section-3, since it is part of a filter.
        escaped = "".join(f"\\{ord(each):02x}" if each in "\\*()" else each for each in _text(group))
        rule = f"ldap-filter {args.group_attribute}={escaped}"
    # Each rule is an expression of httpd, in which a backslash escapes what follows.
    return ["Require " + rule.replace("\\", "\\\\")]


def _any(rules: list[str]) -> str:
    return _indented(["<RequireAny>", *(f"  {rule}" for rule in rules), "</RequireAny>"])


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _text(value: str) -> str:
    """The value unchanged. One that would end the line or be expanded is refused: no real name contains that."""
    if re.search(r"[\n\r\0]|[$%]\{", value):
        raise ValueError(f"{value!r} cannot be written into the proxy's configuration")
    return value


def _quoted(value: str) -> str:
    return '"' + _text(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _in_url(value: str) -> str:
    return value.replace("%", "%25").replace("?", "%3F")
