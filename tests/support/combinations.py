"""Which databases, artifact stores and ways to log in are tried together: any two of them meet."""

from dataclasses import dataclass

DATABASES = ("postgresql", "mariadb", "sqlite")
STORES = ("volume", "s3", "gcs", "azure", "ftp", "sftp")
LOGINS = ("none", "basic", "ldap")


@dataclass(frozen=True)
class Combination:
    """One of each."""

    database: str
    store: str
    login: str

    @property
    def name(self) -> str:
        """Name of the deployment."""
        return f"{self.database}-{self.store}-{self.login}"


COMBINATIONS = [
    Combination(database, store, LOGINS[(row + column) % len(LOGINS)])
    for row, database in enumerate(DATABASES)
    for column, store in enumerate(STORES)
]
"""As few as there can be: each store with each database, and each way to log in with each of both."""


def table() -> list[str]:
    """The rows of the table in docs/combinations.md, without its head."""
    rows = []
    for store in STORES:
        logins = {each.database: each.login for each in COMBINATIONS if each.store == store}
        rows.append(f"| {store} | {' | '.join(logins[database] for database in DATABASES)} |")
    return rows
