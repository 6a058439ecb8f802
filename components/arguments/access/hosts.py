"""Checks that Ingress and route share."""

import re
from collections.abc import Iterable

from ..base import Input, Path, Problem, plain
from ..checks import DNS_LABEL


def public_host(value: Input[str], path: Path) -> Iterable[Problem]:
    """A host as Ingress and HTTPRoute take it: no scheme, port or path, and no address."""
    known = plain(value)
    if not isinstance(known, str):
        return
    bare = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", "", known).split("/")[0].rpartition("@")[2]
    bare = re.sub(r":\d+$", "", bare)
    name = rf"(\*\.)?{DNS_LABEL}(\.{DNS_LABEL})*"
    if bare != known:
        yield Problem(path, f"{known!r} has a scheme, a port or a path", f"give the host alone: {bare.lower()!r}")
    elif re.fullmatch(r"[\d.]+|.*:.*", known) or not re.fullmatch(name, known) or len(known) > 253:
        yield Problem(path, f"{known!r} is not a host name", "give a DNS name in lower case, or '*.' and a domain")
