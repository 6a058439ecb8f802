"""The Google Cloud environment of a deployment."""

import re
from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block, plain
from ..checks import pattern
from .names import cloud_name

__all__ = ["GcpArgs"]


_PROJECT = r"([a-z][-a-z0-9.]*:)?[a-z][-a-z0-9]{4,28}[a-z0-9]"
_NETWORK = rf"(https://www\.googleapis\.com/compute/v1/)?projects/{_PROJECT}/global/networks/[a-z][-a-z0-9]*"
_KEY = rf"projects/{_PROJECT}/locations/([\w-]+)/keyRings/[\w-]+/cryptoKeys/[\w-]+"


@block
class GcpArgs(Block):
    """Where in Google Cloud to create database, bucket and identity. Defaults of the Pulumi provider are never used."""

    project: Input[str]
    """Id of the project."""
    region: Input[str]
    """Region of database and bucket."""
    network: Input[str] | None = None
    """VPC network of the cluster (`projects/…/global/networks/…`), in which the database gets a private address. Unless
    `database.cloudSql.psc` is used, it must have private services access: pass the `network` of the Connection, so that
    the connection is created first."""
    project_number: Input[str] | None = None
    """Number of the cluster's project, for `identity.gcpDirect`."""
    cluster_project: Input[str] | None = None
    """Id of the cluster's project, which owns the pods' workload identity pool; `project` if not given."""
    kms_key: Input[str] | None = None
    """Cloud KMS key that encrypts database and bucket (`projects/…/cryptoKeys/…`, in the same region); Google-managed keys
    if not given. The service agents of Cloud SQL and Cloud Storage must be allowed to use it. A changed key is for new
    objects only; the database and older objects keep theirs, which must stay enabled, with its permissions."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of every Google Cloud resource, by Google's rules."""

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
        # https://cloud.google.com/resource-manager/docs/labels-overview
        if len(self.labels) > 64:
            yield Problem(("labels",), f"holds {len(self.labels)} labels, and there may be 64", "remove some")
        for key, value in self.labels.items():
            if key.startswith("goog"):
                yield Problem(("labels", key), "has the prefix 'goog', which Google reserves", "use another key")
            elif not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
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
