"""A directory on an FTP server."""

from collections.abc import Iterable

from ..base import Input, Problem, block, secret
from ..checks import (
    ExistingSecret,
    file_server,
    one_at_most,
)
from ..kinds import ArtifactBlock, MlflowImage

__all__ = ["FtpArgs", "FtpSecretArgs"]


@block
class FtpSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the password."""

    name: Input[str]
    """Name of the Secret."""
    password_key: str = "password"
    """Key of the password in the Secret. It must be percent-encoded there, since it becomes part of a URI."""


@block
class FtpArgs(ArtifactBlock):
    """A directory on an FTP server. Nothing is encrypted in transit, and MLflow cannot delete artifacts there.

    A network policy must leave the server's passive ports open: `networkPolicy.egress[].portRanges`."""

    mlflow_image = MlflowImage.BASE

    host: Input[str]
    """DNS name or address of the server."""
    port: Input[int] = 21
    """TCP port."""
    path: Input[str] = "/"
    """Directory, as an absolute path on the server."""
    username: Input[str] | None = None
    """User; anonymous if not given."""
    password: Input[str] | None = secret()
    """Password of the user, any characters."""
    existing_secret: FtpSecretArgs | None = None
    """Secret that holds the password, instead of `password`."""

    @property
    def password_in_uri(self) -> bool:
        return self.username is not None

    def problems(self) -> Iterable[Problem]:
        yield from file_server(self)
        yield from one_at_most(self, ("password", "existing_secret"))
        if self.username is None and (self.password is not None or self.existing_secret is not None):
            yield Problem(("username",), "is required with a password", "name the user")
        if self.username is not None and self.password is None and self.existing_secret is None:
            yield Problem(("password",), "is required with a user", "give password or existingSecret")
