"""The typed arguments: one definition for stack configuration, Python callers, the JSON schema and component providers."""

from .artifacts import ArtifactsArgs, S3Args, S3SecretArgs
from .base import Input, Problem
from .conversion import ConfigurationError, to_arguments
from .database import (
    DatabaseArgs,
    DatabaseSecretArgs,
    DatabaseTlsArgs,
    PostgresqlArgs,
    PostgresqlDriver,
    SqliteArgs,
    TlsMode,
)
from .deployment import MlflowDeploymentArgs
from .identity import ExistingIdentityArgs, IdentityArgs
from .image import ImageArgs, PullPolicy
from .keys import KeysArgs
from .pod import PodArgs
from .resources import ResourcesArgs
from .server import ServerArgs
from .service import ServiceArgs, ServiceType
from .volume import AccessMode, VolumeArgs

__all__ = [
    "AccessMode",
    "ArtifactsArgs",
    "ConfigurationError",
    "DatabaseArgs",
    "DatabaseSecretArgs",
    "DatabaseTlsArgs",
    "ExistingIdentityArgs",
    "IdentityArgs",
    "ImageArgs",
    "Input",
    "KeysArgs",
    "MlflowDeploymentArgs",
    "PodArgs",
    "PostgresqlArgs",
    "PostgresqlDriver",
    "Problem",
    "PullPolicy",
    "ResourcesArgs",
    "S3Args",
    "S3SecretArgs",
    "ServerArgs",
    "ServiceArgs",
    "ServiceType",
    "SqliteArgs",
    "TlsMode",
    "VolumeArgs",
    "to_arguments",
]
