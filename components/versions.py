"""The versions that this project chooses, each in one place. `make bump` changes them and updates what derives from them.

Imports nothing, so that the toolchain can load this file by its path without Pulumi. A bump replaces the text between the
quotes of one line, so every version is a constant with a plain string.
"""

PACKAGE = "0.1.0"
"""Of this package, `pulumi-mlflow`, and of its provider."""

MLFLOW = "3.17.2"
MLFLOW_DIGEST = ""
MLFLOW_REPOSITORY = "ghcr.io/mlflow/mlflow"
MLFLOW_TAG = f"v{MLFLOW}-full"
MLFLOW_IMAGE = f"{MLFLOW_REPOSITORY}:{MLFLOW_TAG}"

POSTGRESQL = "17.11"
POSTGRESQL_DIGEST = "sha256:f4c66b820c6f974249089d3d16d86a3698eae11e8746eb6644b2271031e91232"
POSTGRESQL_IMAGE = f"docker.io/library/postgres:{POSTGRESQL}"

MARIADB = "11.8.9"
MARIADB_DIGEST = "sha256:2d2f4095530294735a857cfe22bb101e19b0849b416911c796ec4aa81b164a62"
MARIADB_IMAGE = f"docker.io/library/mariadb:{MARIADB}"

HTTPD = "2.4.68"
HTTPD_DIGEST = "sha256:454942557d44332cd7e4ae415e7ec9b4dbbf01b4a042491f423fcaf10a32ce9f"
HTTPD_IMAGE = f"docker.io/library/httpd:{HTTPD}"

MINIO = "RELEASE.2025-09-07T16-13-09Z"
MINIO_DIGEST = "sha256:14cea493d9a34af32f524e538b8346cf79f3321eff8e708c1e2960462bd8936e"
MINIO_IMAGE = f"quay.io/minio/minio:{MINIO}"

RESTIC = "0.18.0"
RESTIC_DIGEST = ""
RESTIC_IMAGE = f"docker.io/restic/restic:{RESTIC}"

OAUTH2_PROXY = "7.15.6"
OAUTH2_PROXY_DIGEST = ""
OAUTH2_PROXY_IMAGE = f"quay.io/oauth2-proxy/oauth2-proxy:v{OAUTH2_PROXY}"

LITESTREAM = "0.5.17"
LITESTREAM_DIGEST = ""
LITESTREAM_IMAGE = f"docker.io/litestream/litestream:{LITESTREAM}"

PGBACKREST = "2.58.0"
PGBACKREST_DIGEST = ""
PGBACKREST_IMAGE = f"docker.io/woblerr/pgbackrest:{PGBACKREST}"

RCLONE = "1.75.2"
RCLONE_DIGEST = ""
RCLONE_IMAGE = f"docker.io/rclone/rclone:{RCLONE}"

IMAGES = {
    MLFLOW_IMAGE: MLFLOW_DIGEST,
    POSTGRESQL_IMAGE: POSTGRESQL_DIGEST,
    MARIADB_IMAGE: MARIADB_DIGEST,
    HTTPD_IMAGE: HTTPD_DIGEST,
    MINIO_IMAGE: MINIO_DIGEST,
    RESTIC_IMAGE: RESTIC_DIGEST,
    OAUTH2_PROXY_IMAGE: OAUTH2_PROXY_DIGEST,
    LITESTREAM_IMAGE: LITESTREAM_DIGEST,
    PGBACKREST_IMAGE: PGBACKREST_DIGEST,
    RCLONE_IMAGE: RCLONE_DIGEST,
}
"""Digest of the multi-platform index of each default image; empty where no public record of it was found. Those of Docker's official
images are from https://github.com/docker-library/repo-info. Defaults are pinned by tag alone: docs/decisions/0018-one-file-of-versions.md."""

KUBERNETES = "1.35.4"
"""Version of the built-in node, on which the tests run. Its source is required in toolchain/bare/go/go.mod."""
KUBERNETES_MINIMUM = "1.30"
"""The oldest supported minor version: the first in which the `sleep` action of a container's lifecycle is on by default."""
KUBERNETES_SCHEMAS = (KUBERNETES_MINIMUM, "1.33", "1.35", "1.37")
"""Minor versions against whose schemas every generated object is validated."""

PULUMI_CLI = "3.228.0"
"""The Pulumi CLI that is built from source if none can be downloaded. Its source is required in toolchain/bare/go/go.mod."""
PULUMI_CLI_MINIMUM = "3.200.0"
"""The oldest supported Pulumi CLI: it runs resource hooks, which refuse downgrades of databases."""

REQUIREMENTS = {
    "pulumi": ">=3.200,<4",
    "pulumi-kubernetes": ">=4.29,<5",
    "pulumi-random": ">=4.18,<5",
    "pulumi-aws": ">=7,<8",
    "pulumi-gcp": ">=9,<11",
    "pulumi-azure-native": ">=3,<4",
    "pydantic": ">=2.11,<3",
}
"""Ranges of the Python packages that the component imports, for the wheel and for requirements.txt. Providers of Kubernetes before
4.29 adopt objects that exist already: https://github.com/pulumi/pulumi-kubernetes/pull/4278."""

PULUMI_KUBERNETES = "4.30.0"
PULUMI_RANDOM = "4.21.4"
PULUMI_AWS = "7.51.1"
PULUMI_GCP = "10.2.0"

LOCKED = {
    "mlflow-skinny": MLFLOW,
    "pulumi-kubernetes": PULUMI_KUBERNETES,
    "pulumi-random": PULUMI_RANDOM,
    "pulumi-aws": PULUMI_AWS,
    "pulumi-gcp": PULUMI_GCP,
}
"""What requirements.lock must pin exactly: the client in the server's version, and the SDKs of the providers that are built from
source, since the engine asks for the plugin of the SDK's version."""
