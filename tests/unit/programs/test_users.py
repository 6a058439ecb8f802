"""MLflow's users: their settings, filled in by one program and read by another one, and the administrator."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import migrate_users
import pytest
import users_ini
from connecting import RefusalError

from tests.configurations import DEV, changed
from tests.support import forks, rendered

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


@pytest.fixture
def migrated(tmp_path: Path) -> Callable[[str], None]:
    """Runs what comes before a server with this configured password of the administrator, on the same users each time."""

    def run(password: str) -> None:
        configuration = changed(DEV, "auth", {"basic": {"adminPassword": password}})
        for container in rendered.pod(configuration, "mlflow-server", tmp_path).first:
            ended = container.finish()
            assert ended.returncode == 0, ended.stdout + ended.stderr

    return run


def test_a_password_stays_as_it_was_changed_last_by_configuration_or_in_mlflow(
    migrated: Callable[[str], None], tmp_path: Path
) -> None:
    first, second, third = "the-first-one", "the-second-one", "the-third-one"
    users = tmp_path / "database" / "users.db"
    head = "from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore; store = SqlAlchemyStore()"

    def ask(statements: str) -> list[str]:
        """What statements print, on MLflow's own store of users."""
        program = f"{head}; store.init_db('sqlite:///{users}'); {statements}"
        return subprocess.run(
            [forks.of_image(), "-c", program], capture_output=True, text=True, check=True
        ).stdout.split()

    valid = f"print(*(p for p in {(first, second, third)} if store.authenticate_user('admin', p)))"
    admin = "print(store.get_user('admin').is_admin)"
    migrated(first)
    # In MLflow, as its API and page do; rights are taken as well, without which jobs in the cluster would fail.
    assert ask(f"{valid}; {admin}; store.update_user('admin', {second!r}, False)") == [first, "True"]
    migrated(first)
    assert ask(f"{valid}; {admin}") == [second, "True"]
    migrated(third)
    assert ask(valid) == [third]
