"""An existing container in an Azure storage account."""

import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..base import Input, Problem, block, plain, secret
from ..checks import ExistingSecret, key_of_cloud, one_at_most, pattern, relative_path
from ..kinds import ArtifactBlock, CloudName

__all__ = ["AzureBlobArgs", "AzureDomain", "AzureSecretArgs"]


class AzureDomain(enum.Enum):
    """The Azure clouds whose blob storage MLflow supports."""

    PUBLIC = "blob.core.windows.net"
    CHINA = "blob.core.chinacloudapi.cn"
    US_GOVERNMENT = "blob.core.usgovcloudapi.net"

    @classmethod
    def of_region(cls, location: str) -> "AzureDomain":
        """The domain of what is made in a region: https://learn.microsoft.com/en-us/azure/azure-government/compare-azure-government-global-azure."""
        if location.startswith("china"):
            return cls.CHINA
        return cls.US_GOVERNMENT if location.startswith(("usgov", "usdod")) else cls.PUBLIC


@block
class AzureSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds one credential of a storage account."""

    name: Input[str]
    """Name of the Secret."""
    access_key_key: str | None = None
    """Key of the storage account's access key in the Secret."""
    connection_string_key: str | None = None
    """Key of the connection string in the Secret."""

    def problems(self) -> Iterable[Problem]:
        yield from super().problems()
        yield from one_at_most(self, ("access_key_key", "connection_string_key"))
        if self.access_key_key is None and self.connection_string_key is None:
            message = "names no key of the Secret"
            yield Problem((), message, "give accessKeyKey or connectionStringKey")


@block
class AzureBlobArgs(ArtifactBlock):
    """An existing container in an Azure storage account. Without key and connection string, the pods' identity is used."""

    keys = ("access_key", "connection_string", "existing_secret")
    variables: ClassVar[Mapping[str, str]] = {
        "AZURE_STORAGE_ACCESS_KEY": "access_key",
        "AZURE_STORAGE_CONNECTION_STRING": "connection_string",
    }

    account: Input[str]
    """Name of the storage account."""
    container: Input[str]
    """Name of the container."""
    prefix: Input[str] = ""
    """Path in the container under which artifacts are stored, without leading or trailing slash."""
    domain: AzureDomain = AzureDomain.PUBLIC
    """Blob storage domain of the Azure cloud."""
    access_key: Input[str] | None = secret()
    """Access key of the storage account."""
    connection_string: Input[str] | None = secret()
    """Connection string of the storage account. Its endpoint, if any, takes precedence."""
    existing_secret: AzureSecretArgs | None = None
    """Secret that holds the access key or the connection string."""
    presigned: bool = True
    """Let clients upload large files directly to the container, by presigned URLs that the server hands out. Clients must
    be able to reach the storage account. An identity needs the role Storage Blob Delegator on the account; without it,
    large files also go through the server."""

    @property
    def cloud(self) -> CloudName:
        return CloudName.AZURE

    def problems(self) -> Iterable[Problem]:
        yield from azure_container(self)
        yield from key_of_cloud(self.connection_string, "connection_string")
        yield from one_at_most(self, ("access_key", "connection_string", "existing_secret"))
        connection = plain(self.connection_string)
        if isinstance(connection, str) and not re.search(
            r"(^|;)\s*(Account|Shared|BlobEndpoint|UseDev)\w*=", connection
        ):
            yield Problem(("connection_string",), "is not a connection string", "write `AccountName=…;AccountKey=…;…`")


def azure_container(block: Any) -> Iterable[Problem]:
    """What is true of every block that names a container of a storage account."""
    # https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/resource-name-rules#microsoftstorage
    account = plain(block.account)
    if isinstance(account, str) and re.search(r"[./]", account):
        yield Problem(("account",), f"{account!r} is a host or URL", f"give the account alone: {_account(account)!r}")
    else:
        fix = "use 3 to 24 lower-case letters and digits"
        yield from pattern(block.account, r"[a-z0-9]{3,24}", "account", "a storage account", fix)
    yield from pattern(
        block.container,
        r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
        "container",
        "the name of a container",
        "use 3 to 63 lower-case letters, digits and single hyphens, starting and ending with a letter or digit",
    )
    yield from relative_path(block.prefix, "prefix")
    yield from key_of_cloud(block.access_key, "access_key")


def _account(host: str) -> str:
    return re.sub(r"^\w+://", "", host).split("/")[0].rpartition("@")[2].split(".")[0]
