"""Write the user and password of a MySQL database into an option file, which PyMySQL reads for each connection.

Runs inside the MLflow image, as an init container. The file is what keeps the password out of MLflow's URI: MySQL has no
environment variables as libpq has, a password from an existing Secret cannot be escaped when the pod is described, and
MLflow passes its URI on in places where nobody expects a secret.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

GROUP = "client"


def option_file(user: str, password: str) -> str:
    """The text of the file, for any user and password without line breaks.

    PyMySQL takes one pair of quotes off each value and nothing else, so that quotes, `#`, `%` and backslashes mean
    themselves: https://github.com/PyMySQL/PyMySQL/blob/main/pymysql/optionfile.py. It sends passwords in Latin-1, where
    the server expects UTF-8.

    Raises:
        ValueError: A value holds a line break.
    """
    for name, value in (("user", user), ("password", password)):
        if any(sign in value for sign in "\r\n\0"):
            raise ValueError(
                f"the {name} of the database holds a line break, which most often comes from a Secret that was made of a "
                "file or by `echo`; write it without (`printf %s`)"
            )
    sent = password.encode("utf-8").decode("latin-1")
    return f'[{GROUP}]\nuser = "{user}"\npassword = "{sent}"\n'


def main() -> int:
    try:
        text = option_file(os.environ["DATABASE_USERNAME"], os.environ["DATABASE_PASSWORD"])
    except ValueError as error:
        print(f"database login: {error}", flush=True)
        return 1
    path = Path(sys.argv[1])
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
