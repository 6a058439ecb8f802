"""Google Cloud: where things are made, and what makes the pods somebody there."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic.alias_generators import to_snake

from ..base import Block, Input, Problem, block, plain
from ..checks import pattern
from ..kinds import IdentityBlock
from .names import cloud_name, kept_as_long, needed

if TYPE_CHECKING:
    from ..deployment import MlflowDeploymentArgs

_PROJECT = r"([a-z][-a-z0-9.]*:)?[a-z][-a-z0-9]{4,28}[a-z0-9]"
_NETWORK = rf"(https://www\.googleapis\.com/compute/v1/)?projects/{_PROJECT}/global/networks/[a-z][-a-z0-9]*"
_KEY = rf"projects/{_PROJECT}/locations/([\w-]+)/keyRings/[\w-]+/cryptoKeys/[\w-]+"


@block
class GcpArgs(Block):
    """Where in Google Cloud database, bucket and identity are made. They use the project's own defaults for nothing."""

    project: Input[str]
    """Id of the project."""
    region: Input[str]
    """Region of database and bucket."""
    network: Input[str] | None = None
    """VPC network of the cluster (`projects/…/global/networks/…`), in which the database gets a private address. Unless
    `database.cloudSql.psc` is used, it must have private services access: pass the `network` of the Connection, so that
    it comes first."""
    project_number: Input[str] | None = None
    """Number of the cluster's project; `identity.gcpDirect` needs it."""
    cluster_project: Input[str] | None = None
    """Id of the cluster's project, whose workload identity pool the pods belong to; `project` if not given."""
    kms_key: Input[str] | None = None
    """Key that database and bucket are encrypted with (`projects/…/cryptoKeys/…`, in the same region); keys of Google if
    not given. The service agents of Cloud SQL and Cloud Storage must be allowed to use it."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of everything that is made, by Google's rules."""

    def problems(self) -> Iterable[Problem]:
        fix = "give the project's id: 6 to 30 lower-case letters, digits and hyphens, starting with a letter"
        yield from cloud_name(self.project, "gcp", _PROJECT, "project", "the id of a project", fix)
        yield from cloud_name(self.cluster_project, "gcp", _PROJECT, "cluster_project", "the id of a project", fix)
        yield from pattern(
            self.project_number, r"\d{6,20}", "project_number", "the number of a project", "give digits only"
        )
        region = plain(self.region)
        zone = re.fullmatch(r"([a-z]+-[a-z]+\d+)-[a-z]", region) if isinstance(region, str) else None
        if zone:
            yield Problem(("region",), f"{region!r} is a zone", f"give its region: {zone[1]!r}")
        else:
            fix = "write it as Google does, for example europe-west3"
            yield from cloud_name(self.region, "gcp", r"[a-z]+-[a-z]+\d+", "region", "a region of Google Cloud", fix)
        fix = "write projects/<project>/global/networks/<name>"
        yield from cloud_name(self.network, "gcp", _NETWORK, "network", "a VPC network", fix)
        yield from self._key(region)
        for key, value in self.labels.items():
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
                fix = "use at most 63 lower-case letters, digits, '_' and '-', and start keys with a letter"
                yield Problem(("labels", key), f"{key!r}: {value!r} is not a label of Google Cloud", fix)

    def _key(self, region: object) -> Iterable[Problem]:
        key = plain(self.kms_key)
        fix = "write projects/<project>/locations/<region>/keyRings/<ring>/cryptoKeys/<key>"
        yield from cloud_name(key, "gcp", _KEY, "kms_key", "a key of Cloud KMS", fix)
        found = re.fullmatch(_KEY, key) if isinstance(key, str) else None
        location = found[found.re.groups] if found else None
        if location is not None and isinstance(region, str) and location != region:
            message = f"is in {location!r}, and database and bucket are in {region!r}"
            yield Problem(("kms_key",), message, "use a key of the same region")


@block
class GcpServiceAccountArgs(IdentityBlock):
    """A Google service account that the pods become by Workload Identity."""

    account_id: str | None = None
    """Its id; made from the component's name if not given."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(
            self.account_id,
            r"[a-z][-a-z0-9]{4,28}[a-z0-9]",
            "account_id",
            "the id of a service account",
            "use 6 to 30 lower-case letters, digits and hyphens, starting with a letter, without domain",
        )


@block
class GcpDirectArgs(IdentityBlock):
    """The Kubernetes ServiceAccount itself is given the role: no Google service account, nothing to impersonate."""


def choices(root: "MlflowDeploymentArgs") -> dict[str, Block]:
    """What is made on Google Cloud, by its configuration path."""
    identity = root.identity
    among = {
        "database.cloudSql": root.database.cloud_sql,
        "artifacts.gcpBucket": root.artifacts.gcp_bucket,
        "identity.gcpServiceAccount": identity.gcp_service_account if identity is not None else None,
        "identity.gcpDirect": identity.gcp_direct if identity is not None else None,
    }
    return {path: choice for path, choice in among.items() if choice is not None}


def problems_of(root: "MlflowDeploymentArgs") -> Iterable[Problem]:
    """Rules that join the blocks of Google Cloud."""
    made = choices(root)
    for path in made:
        fields = {"database.cloudSql": ("network",), "identity.gcpDirect": ("project_number",)}.get(path, ())
        yield from needed(root.gcp, fields, path, "gcp")
    database, bucket, identity = root.database.cloud_sql, root.artifacts.gcp_bucket, root.identity
    who = [path.split(".")[1] for path in made if path.startswith("identity.")]
    if who and not root.artifacts.on_gcp:
        message = "would be allowed nothing: artifacts are in no bucket of Google Cloud"
        fix = "use artifacts.gcpBucket or artifacts.gcs, or another identity"
        yield Problem(("identity", to_snake(who[0])), message, fix, either=(("artifacts",),))
    if bucket is not None and identity is None:
        message = "is required: nobody may read or write the bucket that artifacts.gcpBucket makes"
        yield Problem(("identity",), message, "use gcpServiceAccount, gcpDirect, or existing")
    if bucket is not None and database is not None:
        days = database.backup_retention_days
        yield from kept_as_long(
            bucket.noncurrent_days, days, ("artifacts", "gcp_bucket", "noncurrent_days"), "cloud_sql"
        )
