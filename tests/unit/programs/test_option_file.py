"""The option file that PyMySQL reads user and password from."""

from pathlib import Path

import option_file
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pymysql.optionfile import Parser

ONE_LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=40)


def read(folder: Path, text: str) -> tuple[str, bytes]:
    """What PyMySQL reads, and what it sends as the password."""
    path = folder / "my.cnf"
    path.write_text(text, encoding="utf-8")
    parser = Parser()
    parser.read(path, encoding="utf-8")
    return parser.get("client", "user"), parser.get("client", "password").encode("latin-1")


@given(ONE_LINE, ONE_LINE)
@example("mlflow", "%/&@:'\" \\ü")
@example(" user ", "'quoted'")
@example("u", '"quoted"')
@example("u", "# ; [client] %(x)s = : $(POD_IP)")
@example("u", "\u2028\x85€😀")
def test_any_text_without_line_breaks_arrives(
    tmp_path_factory: pytest.TempPathFactory, user: str, password: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert read(folder, option_file.option_file(user, password)) == (user, password.encode())


@pytest.mark.parametrize(("user", "password", "named"), [("u", "p\n", "password"), ("u\r", "p", "user")])
def test_line_breaks_are_told(user: str, password: str, named: str) -> None:
    with pytest.raises(ValueError, match=f"the {named} of the database contains a line break"):
        option_file.option_file(user, password)


def test_the_container_ends_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("DATABASE_USERNAME", "u")
    monkeypatch.setenv("DATABASE_PASSWORD", "p\n")
    monkeypatch.setattr(option_file.sys, "argv", ["option_file.py", str(tmp_path / "my.cnf")])
    assert option_file.main() == 1
    assert "contains a line break" in capsys.readouterr().out
    monkeypatch.setenv("DATABASE_PASSWORD", "p")
    assert option_file.main() == 0
    assert (tmp_path / "my.cnf").stat().st_mode & 0o777 == 0o600
