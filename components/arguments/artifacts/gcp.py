"""A Cloud Storage bucket that is made for artifacts."""

import enum
import re
from collections.abc import Iterable

from ..base import Input, Path, Problem, block, plain
from ..checks import between, pattern
from ..kinds import ArtifactBlock, CloudName

__all__ = ["GcpBucketArgs", "GcsStorageClass"]


class GcsStorageClass(enum.Enum):
    """How often objects are read: colder ones cost less to keep and more to read."""

    STANDARD = "STANDARD"
    NEARLINE = "NEARLINE"
    COLDLINE = "COLDLINE"
    ARCHIVE = "ARCHIVE"


@block
class GcpBucketArgs(ArtifactBlock):
    """A bucket: private, versioned, with access by IAM alone. It is never emptied by a deletion."""

    made_on = CloudName.GCP

    name: Input[str] | None = None
    """Name, unique among all of Google Cloud; made by Pulumi if not given."""
    prefix: Input[str] = ""
    """Path in the bucket under which artifacts are stored, without leading or trailing slash."""
    location: Input[str] | None = None
    """Region, dual-region or multi-region; `gcp.region` if not given. It cannot be changed."""
    storage_class: GcsStorageClass = GcsStorageClass.STANDARD
    """Storage class of new objects."""
    noncurrent_days: int = 30
    """For how many days overwritten and deleted versions are kept."""
    soft_delete_days: int = 14
    """For how many days Google keeps what has been deleted for good, in case a deletion was malicious."""

    @property
    def versions(self) -> tuple[Path, int]:
        return ("noncurrent_days",), self.noncurrent_days

    def problems(self) -> Iterable[Problem]:
        # https://cloud.google.com/storage/docs/buckets#naming
        yield from pattern(
            self.name,
            r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]",
            "name",
            "a name for a bucket",
            "use 3 to 63 lower-case letters, digits, '-' and '_', starting and ending with a letter or digit",
        )
        name = plain(self.name)
        if isinstance(name, str) and (name.startswith("goog") or re.search("google|g00gle", name)):
            yield Problem(("name",), f"{name!r} holds a name that Google keeps for itself", "use another one")
        prefix = plain(self.prefix)
        if isinstance(prefix, str) and prefix != prefix.strip("/"):
            yield Problem(("prefix",), f"{prefix!r} starts or ends with a slash", f"write {prefix.strip('/')!r}")
        fix = "write for example europe-west3, EUR4 or EU"
        yield from pattern(self.location, r"[A-Za-z]+\d*(-[A-Za-z]+\d+)?", "location", "a location of buckets", fix)
        yield from between(self.noncurrent_days, 1, 3650, "noncurrent_days", "days")
        yield from between(self.soft_delete_days, 7, 90, "soft_delete_days", "days")
