"""Temporary keys of an Alibaba Cloud RAM role, from a stand-in for its token service to AWS's client library."""

import json
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import botocore.session
import pytest
import ram_credentials

from tests.support import threads


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[dict[str, str]]]:
    """The requests that the token service got."""
    requests: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = dict(urllib.parse.parse_qsl(body))
            requests.append(form)
            known = form["OIDCToken"] == "token-of-the-pod"
            self.send_response(200 if known else 403)
            self.end_headers()
            keys = {
                "AccessKeyId": "id",
                "AccessKeySecret": "half",
                "SecurityToken": "t",
                "Expiration": "2100-01-01T00:00:00Z",
            }
            self.wfile.write(json.dumps({"Credentials": keys} if known else {"Code": "AuthenticationFail"}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    token = tmp_path / "token"
    token.write_text("token-of-the-pod")
    monkeypatch.setenv("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/mlflow")
    monkeypatch.setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/ack")
    monkeypatch.setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", str(token))
    with threads.serving(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        monkeypatch.setenv("ALIBABA_CLOUD_STS_ENDPOINT", f"http://127.0.0.1:{port}")
        yield requests


def test_the_client_library_gets_keys_for_the_role(service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = python {ram_credentials.__file__}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    keys = botocore.session.Session().get_credentials().get_frozen_credentials()
    assert (keys.access_key, keys.secret_key, keys.token) == ("id", "half", "t")
    (request,) = service
    assert request["Action"] == "AssumeRoleWithOIDC"
    assert request["RoleArn"] == "acs:ram::1:role/mlflow"
    assert request["OIDCProviderArn"] == "acs:ram::1:oidc-provider/ack"


def test_a_refusal_is_told(
    service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("of-someone-else")
    assert ram_credentials.main() == 1
    assert "answered 403" in capsys.readouterr().err


def test_a_pod_without_role_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("ALIBABA_CLOUD_ROLE_ARN", raising=False)
    assert ram_credentials.main() == 1
    assert "ALIBABA_CLOUD_ROLE_ARN" in capsys.readouterr().err
