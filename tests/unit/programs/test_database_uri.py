"""URIs of databases: a driver that the image holds, and options that end a wait for a lost host."""

import database_uri
import pytest

LIBPQ = "connect_timeout=10&keepalives_idle=15&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=30000"
PYMYSQL = "connect_timeout=10&read_timeout=30&write_timeout=30"


@pytest.mark.parametrize(
    ("given", "completed"),
    [
        ("postgresql+psycopg2://", f"postgresql+psycopg2://?{LIBPQ}"),
        ("postgresql+psycopg://u:p@h/db\n", f"postgresql+psycopg://u:p@h/db?{LIBPQ}"),
        ("postgresql+psycopg2://u:p@h/db?sslmode=require", f"postgresql+psycopg2://u:p@h/db?sslmode=require&{LIBPQ}"),
        # An encoded password is not touched, nor one that holds a question mark.
        ("mysql+pymysql://u:a%2F%40?b@h:3306/db", f"mysql+pymysql://u:a%2F%40?b@h:3306/db?{PYMYSQL}"),
        ("mysql+pymysql://u@[::1]/db?", f"mysql+pymysql://u@[::1]/db?{PYMYSQL}"),
        ("mssql+pymssql://u:p@h/db", "mssql+pymssql://u:p@h/db"),
        ("sqlite:////mlflow/database/mlflow.db", "sqlite:////mlflow/database/mlflow.db"),
        ("oracle://u:p@h/db", "oracle://u:p@h/db"),
    ],
)
def test_what_is_missing_is_added(given: str, completed: str) -> None:
    assert database_uri.completed(given) == completed
    assert database_uri.completed(completed) == completed


def test_a_login_from_variables_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_USERNAME", "u@")
    monkeypatch.setenv("DATABASE_PASSWORD", "a/b:%?#é\n")
    given, made = "mssql+pymssql://{login}@h:1433/d", "mssql+pymssql://u%40:a%2Fb%3A%25%3F%23%C3%A9@h:1433/d"
    assert database_uri.completed(given) == database_uri.patient(given) == made
    assert database_uri.completed(made) == made


def test_what_somebody_wrote_stays() -> None:
    given = "postgresql+psycopg2://u:p@h/db?tcp_user_timeout=5000&connect_timeout=2"
    made = database_uri.completed(given)
    assert made.startswith(given + "&") and made.count("tcp_user_timeout") == made.count("connect_timeout") == 1
    assert "read_timeout=7&" in database_uri.completed("mysql+pymysql://h/db?read_timeout=7")


@pytest.mark.parametrize(
    ("held", "given", "made"),
    [
        ({"psycopg2", "psycopg"}, "postgresql://h/db", "postgresql+psycopg2://h/db"),
        ({"psycopg"}, "postgres://h/db", "postgresql+psycopg://h/db"),
        ({"pymysql"}, "mysql://h/db", "mysql+pymysql://h/db"),
        ({"MySQLdb", "pymysql"}, "mysql://h/db", "mysql+mysqldb://h/db"),
        ({"pymssql"}, "mssql://h/db", "mssql+pymssql://h/db"),
        (set(), "postgresql://h/db", "postgresql://h/db"),
        ({"psycopg2", "psycopg"}, "postgresql+psycopg://h/db", "postgresql+psycopg://h/db"),
    ],
)
def test_the_driver_is_one_that_the_image_holds(held: set[str], given: str, made: str) -> None:
    assert database_uri.with_driver(given, held.__contains__) == made


def test_migrations_do_not_limit_statements() -> None:
    given = "mysql+pymysql://u:p@h/db?ssl_ca=/ca.pem&read_timeout=30&charset=utf8mb4&write_timeout=30"
    assert database_uri.patient(given) == "mysql+pymysql://u:p@h/db?ssl_ca=/ca.pem&charset=utf8mb4"
    kept = f"postgresql+psycopg2://u:p@h/db?{LIBPQ}"
    assert database_uri.patient(kept) == kept
