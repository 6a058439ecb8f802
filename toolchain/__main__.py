"""Entry point. Old interpreters must be able to parse this file, so that they can say that they are too old."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit(
        "error: Python 3.10 or newer is needed, and %s is version %d.%d\n  fix: Run with a newer one, for example "  # noqa: UP031
        "`make up PYTHON=python3.12`." % (sys.executable, sys.version_info[0], sys.version_info[1])
    )

from toolchain.commands import main

sys.exit(main())
