"""Cloud Storage: a private, versioned bucket."""

import pulumi_gcp as gcp

from ..arguments import GcpBucketArgs
from ..contracts import Place

_SECONDS_OF_A_DAY = 86_400
_ABORT_UPLOADS_DAYS = 7


def bucket(place: Place, args: GcpBucketArgs) -> gcp.storage.Bucket:
    """A bucket without any grants."""
    facts = place.args.gcp
    assert facts is not None, "arguments hold the block of the cloud"
    storage = gcp.storage
    return storage.Bucket(
        f"{place.name}-artifacts",
        name=args.name,
        project=facts.project,
        location=args.location if args.location is not None else facts.region,
        storage_class=args.storage_class.value,
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        force_destroy=False,
        versioning=storage.BucketVersioningArgs(enabled=True),
        soft_delete_policy=storage.BucketSoftDeletePolicyArgs(
            retention_duration_seconds=args.soft_delete_days * _SECONDS_OF_A_DAY
        ),
        lifecycle_rules=[
            storage.BucketLifecycleRuleArgs(
                action=storage.BucketLifecycleRuleActionArgs(type="Delete"),
                condition=storage.BucketLifecycleRuleConditionArgs(
                    days_since_noncurrent_time=args.noncurrent_days, with_state="ARCHIVED"
                ),
            ),
            storage.BucketLifecycleRuleArgs(
                action=storage.BucketLifecycleRuleActionArgs(type="AbortIncompleteMultipartUpload"),
                condition=storage.BucketLifecycleRuleConditionArgs(age=_ABORT_UPLOADS_DAYS),
            ),
        ],
        encryption=storage.BucketEncryptionArgs(default_kms_key_name=facts.kms_key) if facts.kms_key else None,
        labels=facts.labels or None,
        opts=place.options(protect=place.args.deletion_protection),
    )
