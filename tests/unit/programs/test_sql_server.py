"""SQL Server by its parts: the driver of MLflow's image, with what is rendered for a pod, against the beginning of a server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import PRODUCTION, with_changes
from tests.support import certificates, rendered
from tests.support.sql_server import Login, listening

NASTY = "p%/&@:'\" \\ü#?;{}"
OURS, OTHERS = certificates.make("localhost"), certificates.make("localhost")
VERIFIED = {"caCertificate": OURS.authority}
IN = Login(encrypted=True, user="ml@flow", password=NASTY)


@pytest.mark.feature("db-sql-server")
@pytest.mark.parametrize(
    ("host", "encrypts", "tls", "logins"),
    [
        ("localhost", True, VERIFIED, [IN]),
        ("localhost", True, {}, [IN]),
        ("localhost", True, {"caCertificate": OTHERS.authority}, []),
        # The certificate is of another name.
        ("127.0.0.1", True, VERIFIED, []),
        ("127.0.0.1", True, {**VERIFIED, "mode": "verify-ca"}, [IN]),
        ("127.0.0.1", True, {"caCertificate": OTHERS.authority, "mode": "verify-ca"}, []),
        # FreeTDS alone would go on in clear.
        ("localhost", False, {}, []),
        ("localhost", False, {"mode": "disable"}, [Login(encrypted=False, user="ml@flow", password=NASTY)]),
    ],
)
def test_a_login_is_sent_to_whom_the_mode_says(
    host: str, encrypts: bool, tls: Mapping[str, Any], logins: list[Login], tmp_path: Path
) -> None:
    with listening(OURS, encrypts=encrypts) as server:
        parts = {"host": host, "port": server.port, "username": "ml@flow", "password": NASTY, "tls": tls}
        database = {"sqlServer": parts, "connectTimeoutSeconds": 1}
        configuration = with_changes(PRODUCTION, {"database": database, "allowInsecure": True})
        ended = rendered.pod(configuration, "mlflow-migration", tmp_path).main.finish()
    # Nothing answers a login, so that the migration gives up in any case.
    assert ended.returncode == 1 and "refused: " in ended.stdout, ended.stderr
    assert server.logins[:1] == logins
