"""Artifact repositories that never hand out presigned URLs. Runs inside the MLflow image, as a plugin of MLflow.

MLflow offers presigned URLs to its clients whenever the class of the server's repository can create them, and no server
setting turns that off (`get_server_info` and `_validate_support_multipart_upload` in mlflow/server/handlers.py). Clients
then access the store directly, which many of them cannot reach; and without a key that can sign (Google Cloud Storage with
a keyless identity) every large upload fails. These repositories delegate to MLflow's own, but are not instances of the
classes that MLflow looks for.
"""

from __future__ import annotations

from typing import ClassVar

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.azure_blob_artifact_repo import AzureBlobArtifactRepository
from mlflow.store.artifact.gcs_artifact_repo import GCSArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository


class _Proxied(ArtifactRepository):
    kind: ClassVar[type[ArtifactRepository]]

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._store = self.kind(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        self._store.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        self._store.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        return self._store.list_artifacts(path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        self._store.delete_artifacts(artifact_path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self._store._download_file(remote_file_path, local_path)


class S3(_Proxied):
    kind = S3ArtifactRepository


class Gcs(_Proxied):
    kind = GCSArtifactRepository


class AzureBlob(_Proxied):
    kind = AzureBlobArtifactRepository
