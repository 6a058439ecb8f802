"""Checks that blocks share. Each yields the problems of a value; values that are not known yet pass."""

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from pydantic.alias_generators import to_camel

from .base import Block, Path, Problem, plain


def counted(number: int, what: str) -> str:
    """A number of things, in words: `1 process`, `2 processes`."""
    return f"1 {what}" if number == 1 else f"{number} {what}{'es' if what.endswith('s') else 's'}"


def exactly_one(block: Any, among: Sequence[str], example: str) -> Iterator[Problem]:
    """A choice: exactly one of the optional blocks must be given."""
    given = [name for name in among if getattr(block, name) is not None]
    spelled = ", ".join(to_camel(name) for name in among)
    if not given:
        message = f"no choice was made; give exactly one of: {spelled}"
        yield Problem((), message, f"for example {example}", either=tuple((name,) for name in among))
    for extra in given[1:]:
        message = f"is given as well as {to_camel(given[0])}; they exclude each other"
        yield Problem((extra,), message, f"keep exactly one of: {spelled}")


def one_at_most(block: Any, among: Sequence[str | tuple[str, ...]]) -> Iterator[Problem]:
    """Alternatives, of which at most one may be given; fields that belong together are in a tuple."""
    groups = [(names,) if isinstance(names, str) else names for names in among]
    given = [name for names in groups for name in names if getattr(block, name) is not None]
    first = next((names for names in groups if set(names) & set(given)), ())
    for extra in (name for name in given if name not in first):
        yield Problem(
            (extra,),
            f"is given as well as {to_camel(next(name for name in first if name in given))}; they exclude each other",
            f"keep one of: {', '.join(to_camel(name) for names in groups for name in names[:1])}",
        )


def duplicates(values: Sequence[Any], path: Path, what: str) -> Iterator[Problem]:
    """Known entries that repeat an earlier one."""
    for index, value in enumerate(values):
        if value is not None and value in values[:index]:
            yield Problem((*path, index), f"repeats the {what} of entry {values.index(value)}", "keep one of them")


def halves(block: Any, one: str, other: str) -> Iterator[Problem]:
    """Two values that only make sense together."""
    if (getattr(block, one) is None) != (getattr(block, other) is None):
        absent = one if getattr(block, one) is None else other
        yield Problem((absent,), "is required with the other half of the key pair", "give both halves, or neither")


def key_of_cloud(value: Any, path: str) -> Iterator[Problem]:
    """A secret that a cloud issued; not shown."""
    known = plain(value)
    if isinstance(known, str) and re.search(r"\s", known):
        yield Problem(
            (path,), "contains white space or a line break, which no such key does", "set it again without it"
        )


def relative_path(value: Any, path: str) -> Iterator[Problem]:
    """A path inside a bucket or container."""
    known = plain(value)
    if isinstance(known, str) and known != known.strip("/"):
        yield Problem((path,), f"{known!r} starts or ends with a slash", f"write {known.strip('/')!r}")
    # Characters that would end a URI's path, that Kubernetes or IAM policies would expand, and steps that lead out of it.
    elif isinstance(known, str) and re.search(r"[*?#$\s%\x00-\x1f\x7f\\]|//|(^|/)\.\.?(/|$)", known):
        fix = r"use no '*', '?', '#', '$', '%', '\', '//', '.' or '..' between slashes, or white space"
        yield Problem((path,), f"{known!r} is not a path", fix)


def absolute_path(value: Any, path: str) -> Iterator[Problem]:
    """A path from the root of a server or container."""
    fix = "start it with '/', and use no '?', '#', '$', '%', '//' or white space"
    yield from pattern(value, r"/|(/[^/?#$%\s]+)+/?", path, "an absolute path", fix)


def certificate(value: Any, path: str) -> Iterator[Problem]:
    """Certificates in PEM form."""
    known = plain(value)
    if isinstance(known, str) and "-----BEGIN CERTIFICATE-----" not in known:
        fix = "paste the text from '-----BEGIN CERTIFICATE-----' on"
        yield Problem((path,), "is not a PEM certificate", fix)


def pattern(value: Any, regex: str, path: str, what: str, fix: str) -> Iterator[Problem]:
    """A known string must match the whole expression."""
    known = plain(value)
    if isinstance(known, str) and not re.fullmatch(regex, known, re.ASCII):
        yield Problem((path,), f"{known!r} is not {what}", fix)


def between(value: Any, low: float, high: float, path: str, unit: str = "") -> Iterator[Problem]:
    """A known number must lie within bounds, both included."""
    known = plain(value)
    if isinstance(known, (int, float)) and not isinstance(known, bool) and not low <= known <= high:
        kind = f" {unit}" if unit else ""
        yield Problem((path,), f"{known} is out of range", f"use a value from {low} to {high}{kind}")


DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_LABELS = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
DNS_SUBDOMAIN = rf"(?=.{{1,253}}$){_LABELS}"


PORT_NAME = r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?"
PORT_NAME_FIX = "use at most 15 lower-case letters, digits and single hyphens, and at least one letter"
"""IANA's names of services, which ports of containers and Services have."""


def kubernetes_label_name(value: Any, path: str, what: str) -> Iterator[Problem]:
    """RFC 1123 label: the names allowed for namespaces and Services."""
    fix = "use at most 63 lower-case letters, digits and hyphens, starting and ending with a letter or digit"
    yield from pattern(value, DNS_LABEL, path, what, fix)


def kubernetes_name(value: Any, path: str, what: str) -> Iterator[Problem]:
    """RFC 1123 subdomain: the names allowed for most other objects (Secret, claim, StorageClass, PriorityClass)."""
    fix = "use lower-case letters, digits, hyphens and dots, starting and ending with a letter or digit"
    yield from pattern(value, DNS_SUBDOMAIN, path, what, fix)


def secret_key(value: Any, path: str, sort: str = "Secret") -> Iterator[Problem]:
    """The names allowed for keys of a Secret or ConfigMap."""
    yield from pattern(
        value, r"[-._a-zA-Z0-9]{1,253}", path, f"a key of a {sort}", "use letters, digits, '-', '_' and '.'"
    )


class ExistingSecret(Block):
    """Base of the blocks that name a Secret in `name`, and its keys in `key` or in fields ending in `_key`."""

    sort = "Secret"

    def problems(self) -> Iterable[Problem]:
        for field in fields(self):  # type: ignore[arg-type]
            if field.name == "name":
                yield from kubernetes_name(getattr(self, field.name), field.name, f"the name of a {self.sort}")
            elif field.name == "key" or field.name.endswith("_key"):
                yield from secret_key(getattr(self, field.name), field.name, self.sort)


class ExistingConfigMap(ExistingSecret):
    """The same of a ConfigMap."""

    sort = "ConfigMap"


def authorities(block: Any) -> Iterator[Problem]:
    """Certificate authorities: given in `ca_certificate`, or in the Secret `existing_secret`."""
    yield from certificate(block.ca_certificate, "ca_certificate")
    if block.ca_certificate is not None and block.existing_secret is not None:
        message, fix = "is given as well as caCertificate", "keep at most one of: caCertificate, existingSecret"
        yield Problem(("existing_secret",), message, fix)


_QUALIFIED = rf"((?=[^/]{{1,253}}/){_LABELS}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
OWN_LABELS = tuple(f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "managed-by"))
"""Labels that this component sets; the Service selects pods by the first three."""


def qualified_keys(values: Mapping[str, Any], path: str, refused: Collection[str] = ()) -> Iterator[Problem]:
    """Keys of annotations, and of labels:
    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set."""
    for key in values:
        if key in refused:
            yield Problem((path, key), "is set by this component", "choose another key")
        elif not re.fullmatch(_QUALIFIED, key):
            fix = "write name or domain/name: letters, digits, '-', '_' and '.', at most 63 in the name"
            yield Problem((path, key), "is not a valid key", fix)


def labels(values: Mapping[str, str], path: str, refused: Collection[str] = OWN_LABELS) -> Iterator[Problem]:
    """Labels, and node selectors if nothing is refused."""
    yield from qualified_keys(values, path, refused)
    for key, value in values.items():
        if not re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value):
            fix = "use at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit"
            yield Problem((path, key), f"{value!r} is not the value of a label", fix)


_SCALE = {"": 1, "m": 1e-3} | {
    prefix + binary: base**power
    for binary, base in (("", 1000), ("i", 1024))
    for power, prefix in enumerate("KMGTP", start=1)
}
_SCALE["k"] = _SCALE.pop("K")


def amount(quantity: str) -> float | None:
    """A Kubernetes quantity as a number: cores, or bytes; None if it is not one."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([a-zA-Z]*)", quantity, re.ASCII)
    return float(match[1]) * _SCALE[match[2]] if match and match[2] in _SCALE else None


def cpu(value: str | None, path: str) -> Iterator[Problem]:
    """Cores or millicores."""
    yield from pattern(value, r"\d+(\.\d+)?|\d+m", path, "an amount of CPU", "write cores or millicores: '2' or '500m'")


def memory(value: str, path: str) -> Iterator[Problem]:
    """An amount of memory, with a unit."""
    size = None if value.endswith("m") else amount(value)
    if size is None:
        yield Problem((path,), f"{value!r} is not an amount of memory", "write for example '512Mi' or '2Gi'")
    elif size < 1 << 20:
        yield Problem((path,), f"{value!r} is less than a mebibyte", "add a unit, for example '512Mi'")


def resources(block: Any) -> Iterator[Problem]:
    """Requests and limits of a container, of which no request may exceed its limit."""
    for kind, check in (("cpu", cpu), ("memory", memory)):
        request, limit = (getattr(block, f"{kind}_{what}") for what in ("request", "limit"))
        wrong = [*check(request, f"{kind}_request"), *([] if limit is None else check(limit, f"{kind}_limit"))]
        yield from wrong
        if not wrong and limit is not None and (amount(request) or 0) > (amount(limit) or 0):
            message = f"{request!r} is more than the limit {limit!r}"
            yield Problem((f"{kind}_request",), message, "lower it, or raise the limit")


def image(value: Any, path: str) -> Iterator[Problem]:
    """A full image reference."""
    reference = r"(?!.*(\.\.|//))\w[\w./-]*(:\d+/[\w./-]+)?(:[\w][\w.-]*)?(@sha256:[0-9a-f]{64})?"
    yield from pattern(value, reference, path, "an image", "write it as host/path:tag, or with @sha256:…")


_HOST = r"(?=.{1,254}$)[A-Za-z0-9_]([\-A-Za-z0-9_]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([\-A-Za-z0-9_]*[A-Za-z0-9_])?)*\.?"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def host_name(value: Any, path: str) -> Iterator[Problem]:
    """A bare host: no scheme, no port, no path."""
    known = plain(value)
    if not isinstance(known, str):
        return
    host = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", "", known).rpartition("@")[2].split("/")[0]
    bare = re.sub(r":\d+$", "", host) if host.count(":") == 1 else host
    if "@" in known:
        yield Problem((path,), "holds a user name, and maybe a password", f"give the host alone: {bare!r}")
    elif host != known:
        yield Problem((path,), f"{known!r} has a scheme or a path", f"give the host alone: {bare!r}")
    elif bare != host:
        yield Problem((path,), f"{known!r} has a port", f"give the host alone: {bare!r}, and the port in its own key")
    elif not (_is_address(known) if ":" in known else re.fullmatch(_HOST, known)):
        yield Problem((path,), f"{known!r} is not a host name", "give a DNS name or an IP address, without brackets")


def file_server(block: Any) -> Iterator[Problem]:
    """What FTP and SFTP servers have in common."""
    yield from host_name(block.host, "host")
    yield from between(block.port, 1, 65_535, "port")
    yield from absolute_path(block.path, "path")
    # MLflow does not percent-decode the user name.
    fix = "use letters, digits, '.', '_' and '-'"
    yield from pattern(block.username, r"[\w.-]+", "username", "a user name that fits into a URI", fix)


def cidrs(values: Iterable[Any], path: str) -> Iterator[Problem]:
    """Networks in CIDR form."""
    for index, value in enumerate(values):
        known = plain(value)
        if not isinstance(known, str):
            continue
        try:
            if "/" not in known:
                raise ValueError
            ipaddress.ip_network(known)
        except ValueError:
            fix = "write address/length with all further bits zero, for example '10.0.0.0/16' or '10.1.2.3/32'"
            yield Problem((path, index), f"{known!r} is not a network in CIDR form", fix)


def bucket_name(value: Any, path: str) -> Iterator[Problem]:
    """Name of an S3 bucket: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html."""
    bucket = plain(value)
    if isinstance(bucket, str) and "://" in bucket:
        yield Problem((path,), f"{bucket!r} is a URL", "give the bucket's name alone, and a path in prefix")
        return
    yield from pattern(
        value,
        r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]",
        path,
        "a bucket name",
        "use 3 to 63 lower-case letters, digits, dots and hyphens, starting and ending with a letter or digit",
    )
    if isinstance(bucket, str) and re.match(r"xn--|sthree-|amzn-s3-demo-", bucket):
        yield Problem((path,), f"{bucket!r} starts with a prefix that AWS reserves", "give the name of your bucket")
    if isinstance(bucket, str) and re.search(r"(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$", bucket):
        yield Problem((path,), f"{bucket!r} ends with a suffix that AWS reserves", "give the name of a general bucket")


def image_name(value: Any, path: str) -> Iterator[Problem]:
    """A full image reference: host, path, and a tag or a digest."""
    yield from pattern(
        value,
        r"[a-z0-9]+([._-][a-z0-9]+)*(:\d+)?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*(:\w[\w.-]{0,127}|(:\w[\w.-]{0,127})?@sha256:[0-9a-f]{64})",
        path,
        "an image with a tag or a digest",
        "write host/path:tag, or host/path@sha256:…",
    )
