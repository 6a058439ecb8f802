"""Fill the URI of the users' database into MLflow's `basic_auth.ini`, or complete the one that is there.

The Pulumi program fills in a URI that holds no secret. One with a secret is filled in by this program, as an init container
inside the MLflow image: the password may be in an existing Secret and must be escaped, since MLflow reads the URI from this
file only (https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/#configuration).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

PLACEHOLDER = "@database_uri@"
_URI = re.compile(r"^((?:read_)?database_uri[ \t]*[=:][ \t]*)(\S+)", re.MULTILINE | re.IGNORECASE)


def filled(template: str, uri: str) -> str:
    """The file with the URI filled in; `configparser` needs a literal `%` doubled."""
    return template.replace(PLACEHOLDER, uri.replace("%", "%%"))


def url(variables: Mapping[str, str]) -> str:
    """The URI as SQLAlchemy reads it, for a user and password of any characters."""
    if "USERS_DATABASE_URI" in variables:
        return variables["USERS_DATABASE_URI"].strip()
    dialect, host, port, name, user, password, query = (
        variables[f"USERS_DATABASE_{part}"]
        for part in ("DIALECT", "HOST", "PORT", "NAME", "USERNAME", "PASSWORD", "QUERY")
    )
    if dialect.startswith("mysql"):  # PyMySQL encodes as Latin-1 where servers expect UTF-8
        password = password.encode("utf-8").decode("latin-1")
    where = f"[{host}]" if ":" in host else host
    return (
        f"{dialect}://{quote(user, safe='')}:{quote(password, safe='')}@{where}:{port}/{quote(name, safe='')}?{query}"
    )


def main() -> int:
    template, target = Path(sys.argv[1]), Path(sys.argv[2])
    from database_uri import (
        completed,
        with_login,
    )  # mounted beside it where pods run this, and not on the Pulumi program's path

    # A file that somebody else wrote may be wrong; the migration says so.
    text = template.read_text(encoding="utf-8", errors="surrogateescape")
    if PLACEHOLDER in text:
        text = filled(text, with_login(url(os.environ)))
    text = re.sub(_URI, lambda found: found[1] + completed(found[2]), text)
    target.touch(mode=0o600)
    target.write_text(text, encoding="utf-8", errors="surrogateescape")
    return 0


if __name__ == "__main__":
    sys.exit(main())
