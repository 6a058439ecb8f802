"""The settings of MLflow's users: filled in by one program, read by another one."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import migrate_users
import pytest
import users_ini
from connecting import RefusalError

NASTY = "%/&@:'\" \\ü#?"


@pytest.mark.parametrize("dialect", ["postgresql+psycopg2", "mysql+pymysql"])
def test_passwords_of_any_characters_survive_url_and_file(dialect: str, tmp_path: Path, monkeypatch) -> None:
    values = {"DIALECT": dialect, "HOST": "fd00::1", "PORT": "1", "NAME": "a/b", "USERNAME": "u@", "PASSWORD": NASTY}
    for name, value in {**values, "QUERY": "a=b%2Fc"}.items():
        monkeypatch.setenv(f"USERS_DATABASE_{name}", value)
    (tmp_path / "template").write_text(f"[mlflow]\ndatabase_uri = {users_ini.PLACEHOLDER}\n")
    monkeypatch.setattr("sys.argv", ["", str(tmp_path / "template"), str(tmp_path / "ini")])
    assert users_ini.main() == 0
    url = urlsplit(migrate_users.database_uri(tmp_path / "ini"))
    password = NASTY.encode().decode("latin-1") if dialect.startswith("mysql") else NASTY
    parts = [unquote(part or "") for part in (url.username, url.password, url.hostname, url.path)]
    assert parts == ["u@", password, "fd00::1", "/a/b"]
    assert (tmp_path / "ini").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[mlflow]\ndatabase_uri = postgresql+psycopg2://u:p%4@h/d\n", "literal % is written %%"),
        ("database_uri = x\n", "MissingSectionHeaderError"),
        ("[mlflow]\n", "NoOptionError"),
        ("[mlflow]\ndatabase_uri = sqlite:///basic_auth.db\n", "pods lose or do not share"),
    ],
)
def test_a_file_that_cannot_work_is_refused_without_showing_it(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "ini").write_text(text)
    with pytest.raises(RefusalError, match=reason) as caught:
        migrate_users.database_uri(tmp_path / "ini")
    assert "u:p" not in str(caught.value)
