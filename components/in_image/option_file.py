"""Write the user and password of a MySQL database into an option file, which PyMySQL reads for each connection.

Runs inside the MLflow image, as an init container. The file keeps the password out of MLflow's URI: PyMySQL reads no
environment variables as libpq does, a password from an existing Secret cannot be escaped in a pod specification, and MLflow
passes its URI on to places that are not meant for secrets.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

GROUP = "client"


def option_file(user: str, password: str) -> str:
    """Text of the file, for any user and password without line breaks.

    PyMySQL strips one pair of quotes from each value and does nothing else, so quotes, `#`, `%` and backslashes need no
    escaping: https://github.com/PyMySQL/PyMySQL/blob/main/pymysql/optionfile.py. It encodes passwords as Latin-1, where
    servers expect UTF-8.

    Raises:
        ValueError: A value contains a line break.
    """
    for name, value in (("user", user), ("password", password)):
        if any(sign in value for sign in "\r\n\0"):
            raise ValueError(
                f"the {name} of the database contains a line break, most often because its Secret was created from a file or "
                "with `echo`; create it without one (`printf %s`)"
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
